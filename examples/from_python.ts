/** Reading an array that a Python program made, where it lies, and writing into it: nothing is copied or sent but its name. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import * as mp from "@polyproc/multiprocessing";

const PYTHON = `
import array, sys
from multiprocessing import shared_memory

block = shared_memory.SharedMemory(create=True, size=8 * 1_000_000)
numbers = block.buf.cast("d")
numbers[:] = array.array("d", range(1_000_000))
print(block.name, flush=True)
sys.stdin.readline()                       # until the other program has read, and answered
print(f"python: the first number is {numbers[0]} now")
numbers.release()
block.close()
block.unlink()
`;

if (mp.isMain(import.meta)) {
  const python = spawn("python3", ["-c", PYTHON], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: python.stdout });
  const [name] = await once(lines, "line") as [string];

  const block = new mp.SharedMemory({ name });
  const numbers = new Float64Array(block.buf.buffer, 0, 1_000_000);
  console.log(`here: ${numbers.length} numbers, their sum is ${numbers.reduce((sum, number) => sum + number)}`);
  numbers[0] = 0.5;

  lines.on("line", (line) => console.log(line));
  python.stdin.end("\n");
  await once(python, "close");
  block.close();

  // The other way round: a list that Python opens by its name.
  const list = new mp.ShareableList(["from here", 42, 2.5, null, true]);
  const program = `from multiprocessing import shared_memory; print("python:", list(shared_memory.ShareableList(name="${list.shm.name}")))`;
  console.log(execFileSync("python3", ["-c", program], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim());
  list.shm.close();
}
