/** The page: a view of the Mandelbrot set that all cores compute together. */
import * as mp from "../../mod.ts";
import * as tiles from "./tiles.ts";
import type { Tile, View } from "./tiles.ts";

mp.registerModule("tiles", tiles);
mp.setExecutable(() => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "polyproc" }));

const TILE = 64;
const START: View = { x: -0.6, y: 0, scale: 0 };

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const canvas = element<HTMLCanvasElement>("picture"), context = canvas.getContext("2d")!;
const chooser = element<HTMLInputElement>("workers"), bars = element("bars"), status = element("status");
const isShared = mp.capabilities().sharedMemory.thread;
const cores = navigator.hardwareConcurrency;

let view = START, pool: mp.Pool | null = null, picture: mp.RawArray<"uint8"> | null = null;
let drawing = new AbortController();
/** How long each worker has computed for this view, in milliseconds. */
let busy = new Map<string, number>();

/** Starts as many workers as are chosen. */
async function hire(): Promise<void> {
  drawing.abort();
  pool?.terminate();
  const count = Number(chooser.value);
  element("count").textContent = String(count);
  pool = new mp.Pool({ processes: count, initializer: tiles.begin });
  bars.replaceChildren(...Array.from({ length: count }, (_, i) => {
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.innerHTML = `<b>${i + 1}</b><span><i></i></span>`;
    return bar;
  }));
  await render();
}

/** Fits the picture to its place on the screen. */
function fit(): void {
  const ratio = Math.min(devicePixelRatio, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio)), height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (view.scale === 0) view = { ...START, scale: 3.2 / Math.min(width, height * 1.4) };
  else if (canvas.width > 0) view = { ...view, scale: view.scale * canvas.width / width };
  canvas.width = width;
  canvas.height = height;
  picture = isShared ? mp.RawArray("uint8", width * height * 4) : null;
}

/** The tiles, those in the middle first. */
function allTiles(width: number, height: number): Tile[] {
  const all: Tile[] = [];
  for (let top = 0; top < height; top += TILE) {
    for (let left = 0; left < width; left += TILE) {
      all.push({ left, top, width: Math.min(TILE, width - left), height: Math.min(TILE, height - top) });
    }
  }
  const distance = ({ left, top }: Tile) => Math.hypot(left + TILE / 2 - width / 2, top + TILE / 2 - height / 2);
  return all.sort((a, b) => distance(a) - distance(b));
}

function show(tile: Tile, pixels: Uint8Array, at: number, stride: number): void {
  const image = context.createImageData(tile.width, tile.height);
  for (let row = 0; row < tile.height; row++) {
    image.data.set(pixels.subarray(at + row * stride * 4, at + (row * stride + tile.width) * 4), row * tile.width * 4);
  }
  context.putImageData(image, tile.left, tile.top);
}

/** Draws the view anew; what was being drawn is given up. */
async function render(): Promise<void> {
  drawing.abort();
  drawing = new AbortController();
  const { signal } = drawing, { width, height } = canvas, size = [width, height] as const;
  const shared = picture, now = view;
  document.body.dataset.state = "drawing";
  // The first picture would tell how long workers take to begin.
  while (pool!.stats().workers.some(({ state }) => state === "starting")) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (signal.aborted) return;
  }
  busy = new Map(pool!.stats().workers.map(({ name }) => [name, 0]));
  const begun = performance.now();
  try {
    const work = allTiles(width, height);
    const results = work.map(async (tile) => {
      const task = shared === null
        ? pool!.apply(tiles.send, [size, now, tile], { signal })
        : pool!.apply(tiles.draw, [shared, size, now, tile], { signal });
      const { worker, ms, pixels } = await task as { worker: string; ms: number; pixels?: Uint8Array };
      if (signal.aborted) return;
      if (pixels !== undefined) show(tile, pixels, 0, tile.width);
      else show(tile, shared as unknown as Uint8Array, (tile.top * width + tile.left) * 4, width);
      busy.set(worker, (busy.get(worker) ?? 0) + ms);
      tell(performance.now() - begun);
    });
    await Promise.all(results);
    const ms = performance.now() - begun, alone = [...busy.values()].reduce((sum, one) => sum + one, 0);
    status.textContent = `${Math.round(ms)} ms · ${(alone / ms).toFixed(1)} × one worker`;
    document.body.dataset.state = "done";
  } catch (error) {
    if (!signal.aborted) status.textContent = String(error);
  }
}

/** A bar for each worker: how much of the time it has computed. */
function tell(ms: number): void {
  [...busy.values()].forEach((own, i) => {
    const bar = bars.children[i]?.querySelector("i");
    if (bar) bar.style.width = `${Math.min(100, own / ms * 100)}%`;
  });
}

/** Zooms about a point of the picture, given in pixels of it. */
function zoom(factor: number, x: number = canvas.width / 2, y: number = canvas.height / 2): void {
  const { scale } = view, dx = (x - canvas.width / 2) * scale, dy = (y - canvas.height / 2) * scale;
  view = { x: view.x + dx * (1 - factor), y: view.y + dy * (1 - factor), scale: scale * factor };
  void render();
}

function move(x: number, y: number): void {
  view = { ...view, x: view.x + x * view.scale, y: view.y + y * view.scale };
  void render();
}

function reset(): void {
  view = { ...START, scale: 0 };
  fit();
  void render();
}

/** A place on the screen, in pixels of the picture. */
function at(event: { clientX: number; clientY: number }): [number, number] {
  const { left, top } = canvas.getBoundingClientRect(), ratio = canvas.width / canvas.clientWidth;
  return [(event.clientX - left) * ratio, (event.clientY - top) * ratio];
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.8 : 1.25, ...at(event));
}, { passive: false });

/** Fingers, or the mouse's button, that are down, and where they were last. */
const down = new Map<number, [number, number]>();
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  down.set(event.pointerId, at(event));
});
canvas.addEventListener("pointermove", (event) => {
  const before = down.get(event.pointerId), now = at(event);
  if (before === undefined) return;
  const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  down.set(event.pointerId, now);
  if (other === undefined) return move(before[0] - now[0], before[1] - now[1]);
  const span = ([x, y]: [number, number]) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
  zoom(span(before) / span(now), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
});
for (const type of ["pointerup", "pointercancel"] as const) canvas.addEventListener(type, (event) => down.delete(event.pointerId));
canvas.addEventListener("dblclick", (event) => zoom(0.4, ...at(event)));

const KEYS: Record<string, () => void> = {
  "+": () => zoom(0.7),
  "=": () => zoom(0.7),
  "-": () => zoom(1 / 0.7),
  "0": reset,
  ArrowLeft: () => move(-canvas.width / 8, 0),
  ArrowRight: () => move(canvas.width / 8, 0),
  ArrowUp: () => move(0, -canvas.height / 8),
  ArrowDown: () => move(0, canvas.height / 8),
};
canvas.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});
element("in").addEventListener("click", () => zoom(0.5));
element("out").addEventListener("click", () => zoom(2));
element("reset").addEventListener("click", reset);

chooser.max = String(Math.max(2, cores));
chooser.value = String(cores);
chooser.addEventListener("change", () => void hire());
chooser.addEventListener("input", () => element("count").textContent = chooser.value);
element("kindly").hidden = isShared;
new ResizeObserver(() => {
  fit();
  if (pool !== null) void render();
}).observe(canvas);
fit();
await hire();
