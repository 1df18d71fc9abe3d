/**
 * A set of numbers that may have many millions.
 *
 * @module
 */

/** Numbers that were met before. */
export class Seen {
  #table = new Float64Array(1 << 16);
  #count = 0;

  /** False if it was there. */
  add(key: number): boolean {
    const table = this.#table;
    const mask = table.length - 1;
    let i = (key % 4294967291) & mask;
    for (; table[i] !== 0; i = (i + 1) & mask) if (table[i] === key) return false;
    table[i] = key;
    if (++this.#count * 2 > table.length) this.#grow();
    return true;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Float64Array(old.length * 2);
    this.#count = 0;
    for (const key of old) if (key !== 0) this.add(key);
  }
}
