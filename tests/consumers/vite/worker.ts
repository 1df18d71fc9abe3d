import "@polyproc/multiprocessing/worker";
import { registerModule } from "@polyproc/multiprocessing";

registerModule("work", () => import("./work.ts"));
