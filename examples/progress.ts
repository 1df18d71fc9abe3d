/** Shows in the terminal how far a map of a pool is: `pool.map(fn, items, { onProgress: progressBar("files") })`. */
import type { Progress } from "@polyproc/multiprocessing";
import { Presets, SingleBar } from "cli-progress";

/**
 * A bar of `cli-progress` that `onProgress` moves, on standard error. It appears with the first report, and is done with the last.
 *
 * @param what What is counted, as a word for a reader.
 */
export function progressBar(what: string): (progress: Progress) => void {
  const bar = new SingleBar({ format: "{bar} {text}, {duration_formatted}", noTTYOutput: true }, Presets.shades_classic);
  return ({ done, total, failed }) => {
    // Nobody knows how many there will be while the source of a lazy map has not ended.
    const text = [total > 0 ? `${done} of ${total} ${what}` : `${done} ${what}`, ...(failed > 0 ? [`${failed} failed`] : [])].join(", ");
    if (!bar.isActive) bar.start(1, 0, { text });
    bar.setTotal(total > 0 ? total : 2 * done);
    bar.update(done, { text });
    if (done === total) bar.stop();
  };
}
