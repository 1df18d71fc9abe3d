/** What the workers do: one tile of the Mandelbrot set, straight into the picture that all of them share. */
import * as mp from "../../mod.ts";

/** The part of the plane that is shown. */
export interface View {
  /** Its centre. */
  readonly x: number;
  readonly y: number;
  /** The width of a pixel. */
  readonly scale: number;
}

/** A rectangle of the picture, in pixels. */
export interface Tile {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** How many steps the point is looked at before it counts as inside. */
function depthOf(view: View): number {
  return Math.min(2000, Math.round(120 + 40 * Math.max(0, Math.log2(0.01 / view.scale))));
}

/** After how many steps, and parts of one, the point escapes; 0: it does not. */
function escape(x: number, y: number, depth: number): number {
  let a = 0, b = 0, aa = 0, bb = 0;
  for (let i = 0; i < depth; i++) {
    b = 2 * a * b + y;
    a = aa - bb + x;
    aa = a * a;
    bb = b * b;
    if (aa + bb > 64) return i + 3 - Math.log2(Math.log2(aa + bb));
  }
  return 0;
}

/** Colours the pixels of a tile in a picture `width` pixels wide. */
function paint(
  pixels: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
  view: View,
  tile: Tile,
  at: number,
  stride: number,
): void {
  const depth = depthOf(view);
  for (let row = 0; row < tile.height; row++) {
    for (let column = 0; column < tile.width; column++) {
      const x = view.x + (tile.left + column - width / 2) * view.scale;
      const y = view.y + (tile.top + row - height / 2) * view.scale;
      const steps = escape(x, y, depth), light = steps === 0 ? 0 : 127.5;
      const i = at + (row * stride + column) * 4, turn = 3 + 0.15 * steps;
      pixels[i] = light * (1 + Math.cos(turn));
      pixels[i + 1] = light * (1 + Math.cos(turn + 0.6));
      pixels[i + 2] = light * (1 + Math.cos(turn + 1));
      pixels[i + 3] = 255;
    }
  }
}

/** Draws a tile into the shared picture. */
export function draw(
  picture: mp.RawArray<"uint8">,
  size: readonly [width: number, height: number],
  view: View,
  tile: Tile,
): { worker: string; ms: number } {
  const begun = performance.now(), [width, height] = size;
  paint(picture as unknown as Uint8Array, width, height, view, tile, (tile.top * width + tile.left) * 4, width);
  return { worker: mp.currentProcess().name, ms: performance.now() - begun };
}

/** The same where no memory is shared: the pixels are sent. */
export function send(
  size: readonly [width: number, height: number],
  view: View,
  tile: Tile,
): { worker: string; ms: number; pixels: Uint8Array } {
  const begun = performance.now(), pixels = new Uint8Array(tile.width * tile.height * 4);
  paint(pixels, size[0], size[1], view, tile, 0, tile.width);
  return { worker: mp.currentProcess().name, ms: performance.now() - begun, pixels };
}

/** A worker begins: with a tile that nobody sees, so that the first that is seen is as quick as all others. */
export function begin(): void {
  send([64, 64], { x: -0.6, y: 0, scale: 0.05 }, { left: 0, top: 0, width: 64, height: 64 });
}
