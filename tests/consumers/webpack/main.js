import { Pool, Process, Queue, registerModule, setExecutable } from "@polyproc/multiprocessing";
import * as work from "./work.js";

registerModule("work", work);
setExecutable(() => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "polyproc" }));

const queue = new Queue();
const child = new Process({ target: work.greet, args: [queue, "bundle"] }).start();
console.log(await queue.get(), await child.join());
const pool = new Pool(2);
console.log((await pool.map(work.square, [1, 2, 3])).join(" "));
pool.close();
await pool.join();
console.log("over");
