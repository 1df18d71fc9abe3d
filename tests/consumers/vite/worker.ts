import "@polyproc/multiprocessing/worker";
import { registerModule } from "@polyproc/multiprocessing";
import * as work from "./work.ts";

registerModule("work", work);
