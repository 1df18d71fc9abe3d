/** Computes for so many milliseconds. */
export default function spin(ms) {
  for (const end = performance.now() + ms; performance.now() < end;);
}
