/** Conway's life on a shared array: each worker has a strip of the world, and a barrier keeps them in step. The main process draws it in the terminal. */
import * as mp from "@polyproc/multiprocessing";

const WIDTH = 64, HEIGHT = 32;

/** Two worlds, of which one is now and the other next. */
type Worlds = readonly [mp.RawArray<"uint8">, mp.RawArray<"uint8">];

function neighbours(world: mp.RawArray<"uint8">, x: number, y: number): number {
  let count = 0;
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      if (dx !== 0 || dy !== 0) count += world[(y + dy + HEIGHT) % HEIGHT * WIDTH + (x + dx + WIDTH) % WIDTH];
    }
  }
  return count;
}

/** Rows `from` to `to` of the world, generation after generation. */
export async function live(worlds: Worlds, barrier: mp.Barrier, from: number, to: number, generations: number): Promise<void> {
  for (let generation = 0; generation < generations; generation++) {
    const now = worlds[generation % 2], next = worlds[(generation + 1) % 2];
    for (let y = from; y < to; y++) {
      for (let x = 0; x < WIDTH; x++) {
        const count = neighbours(now, x, y);
        next[y * WIDTH + x] = Number(count === 3 || (count === 2 && now[y * WIDTH + x] === 1));
      }
    }
    await barrier.wait(); // all strips of the next generation are done
    await barrier.wait(); // and drawn
  }
}

function draw(world: mp.RawArray<"uint8">): string {
  const blocks = [" ", "▄", "▀", "█"];
  let text = "";
  for (let y = 0; y < HEIGHT; y += 2) {
    for (let x = 0; x < WIDTH; x++) text += blocks[world[y * WIDTH + x] * 2 + world[(y + 1) * WIDTH + x]];
    text += "\n";
  }
  return text;
}

if (mp.isMain(import.meta)) {
  const generations = Number(process.argv[2] ?? 100), workers = 2;
  const worlds: Worlds = [mp.RawArray("uint8", WIDTH * HEIGHT), mp.RawArray("uint8", WIDTH * HEIGHT)];
  // A glider, and the R-pentomino, which lives for long.
  for (const [x, y] of [[2, 1], [3, 2], [1, 3], [2, 3], [3, 3]]) worlds[0][y * WIDTH + x] = 1;
  for (const [x, y] of [[33, 15], [34, 15], [32, 16], [33, 16], [33, 17]]) worlds[0][y * WIDTH + x] = 1;

  const barrier = new mp.Barrier(workers + 1);
  const children = Array.from({ length: workers }, (_, i) => {
    const args: [Worlds, mp.Barrier, number, number, number] = [
      worlds,
      barrier,
      HEIGHT * i / workers,
      HEIGHT * (i + 1) / workers,
      generations,
    ];
    return new mp.Process({ target: live, args }).start();
  });
  const isTerminal = process.stdout.isTTY === true;
  for (let generation = 0; generation < generations; generation++) {
    await barrier.wait();
    if (isTerminal) {
      process.stdout.write(`\x1b[H\x1b[J${draw(worlds[(generation + 1) % 2])}generation ${generation + 1}\n`);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    await barrier.wait();
  }
  for (const child of children) await child.join();
  const last = worlds[generations % 2];
  if (!isTerminal) process.stdout.write(draw(last));
  console.log(`${generations} generations, ${last.reduce((sum, cell) => sum + cell, 0)} cells alive`);
}
