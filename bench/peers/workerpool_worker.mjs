/** What workers of workerpool run. */
import workerpool from "workerpool";

workerpool.worker({ same: (n) => n });
