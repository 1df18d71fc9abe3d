import { module, Pool, Process, Queue } from "@polyproc/multiprocessing";

const work = module<typeof import("./work.ts")>(new URL("./work.js", import.meta.url));
const queue = new Queue<string>();
const child = new Process({ target: work.greet, args: [queue, "bundle"] }).start();
console.log(await queue.get(), await child.join());
const pool = new Pool(2);
console.log((await pool.map(work.square, [1, 2, 3])).join(" "));
pool.close();
await pool.join();
console.log("over");
