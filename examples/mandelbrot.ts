/**
 * The Mandelbrot set as a picture: workers write its pixels into one shared array, row by row, and nothing is sent but the numbers of the rows.
 * Then one process alone computes the same.
 *
 *     node examples/mandelbrot.ts [width, by default 1500] [file, by default mandelbrot.png]
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import * as mp from "@polyproc/multiprocessing";
import { PNG } from "pngjs";
import { progressBar } from "./progress.ts";

const CENTRE = { x: -0.75, y: 0 }, BREADTH = 3.3, MOST_STEPS = 500;

/** Red, green, blue and opacity of each pixel. */
interface Picture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

let picture: Picture;

/** Run in each worker before its first row. */
export function share(shared: Picture): void {
  picture = shared;
}

/** Computes one row. */
export function computeRow(row: number): void {
  const { pixels, width, height } = picture;
  const scale = BREADTH / width, y = CENTRE.y + (row - height / 2) * scale;
  for (let column = 0; column < width; column++) {
    const x = CENTRE.x + (column - width / 2) * scale;
    const at = 4 * (row * width + column), heat = heatOf(x, y);
    pixels[at] = 255 * Math.min(1, 2.2 * heat);
    pixels[at + 1] = 255 * Math.min(1, 2.2 * heat ** 2);
    pixels[at + 2] = 255 * Math.sqrt(heat) * (1 - heat / 2);
    pixels[at + 3] = 255;
  }
}

/** How long a point stays before it escapes, from 0 to nearly 1; 0 if it never does. */
function heatOf(x: number, y: number): number {
  let a = 0, b = 0;
  for (let step = 0; step < MOST_STEPS; step++) {
    const aa = a * a, bb = b * b;
    // Between the steps, too: so colours change without borders.
    if (aa + bb > 256) return Math.min(1, (step + 4 - Math.log2(Math.log2(aa + bb))) / 60) ** 0.7;
    b = 2 * a * b + y;
    a = aa - bb + x;
  }
  return 0;
}

/** The picture in half blocks, two pixels above each other, as wide as a terminal is. */
function preview({ pixels, width, height }: Picture): string {
  const isColoured = process.stdout.isTTY === true || process.env.FORCE_COLOR === "1";
  const columns = 72, lines = Math.round(columns * height / width / 2), shades = " .:-=+*#%@";
  const pixel = (x: number, y: number) => 4 * (Math.floor(y * height) * width + Math.floor(x * width));
  const colour = (at: number) => pixels.slice(at, at + 3).join(";");
  let text = "";
  for (let line = 0; line < lines; line++) {
    for (let column = 0; column < columns; column++) {
      const x = (column + 0.5) / columns, upper = pixel(x, (line + 0.25) / lines), lower = pixel(x, (line + 0.75) / lines);
      text += isColoured
        ? `\x1b[38;2;${colour(upper)};48;2;${colour(lower)}m▀`
        : shades[Math.floor((pixels[upper] + pixels[lower]) / 2 / 256 * shades.length)];
    }
    text += isColoured ? "\x1b[0m\n" : "\n";
  }
  return text;
}

if (mp.isMain(import.meta)) {
  const width = Number(process.argv[2] ?? 1500), height = Math.round(width * 2 / 3);
  const file = process.argv[3] ?? "mandelbrot.png";
  const rows = Array.from({ length: height }, (_, row) => row);

  let start = performance.now();
  const shared: Picture = { pixels: mp.Array("uint8", 4 * width * height), width, height };
  const pool = new mp.Pool({ initializer: share, initargs: [shared] });
  await pool.map(computeRow, rows, { onProgress: progressBar("rows") });
  const together = (performance.now() - start) / 1000;
  pool.close();
  await pool.join();

  start = performance.now();
  const own: Picture = { pixels: new Uint8Array(4 * width * height), width, height };
  share(own);
  rows.forEach(computeRow);
  const alone = (performance.now() - start) / 1000;

  const png = new PNG({ width, height });
  png.data.set(shared.pixels);
  writeFileSync(file, PNG.sync.write(png));

  process.stdout.write(preview(shared));
  const isEqual = own.pixels.every((byte, at) => byte === shared.pixels[at]);
  console.log(`${width} × ${height} pixels in ${file}, ${isEqual ? "equal to" : "NOT"} what one process draws`);
  console.log(`one process: ${alone.toFixed(2)} s`);
  console.log(`${pool.size} workers:   ${together.toFixed(2)} s, starting them included`);
  console.log(`speed-up:    ${(alone / together).toFixed(2)}`);
  if (!isEqual) process.exitCode = 1;
}
