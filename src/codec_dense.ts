/**
 * Whether arrays have all their elements and nothing else: holes and named properties would otherwise be lost unnoticed.
 *
 * No engine tells, and to list the names takes 15 to 60 ns an element. V8 lists the values in 3 to 8; JavaScriptCore in hundreds, where there are many, but it clones numbers in 5, and what has a name with them.
 *
 * @module
 */
import { structuredClone } from "./host.ts";

const INDEXES: readonly string[] = Object.keys(new Array(16).fill(0));
/** From so many on, numbers are cloned in less time than they are listed; and texts. */
const CLONED = 64, CLONED_TEXTS = 8192;
/** Cloning, on JavaScriptCore: an error of its has a line. */
const clone = Object.hasOwn(new Error(), "line") ? structuredClone : null;
const { hasOwnProperty } = Object.prototype;

/** What of an array is to be written; null if that is not its elements, one after another. */
export function elementsOf(array: readonly unknown[], length: number): readonly unknown[] | null {
  if (length <= INDEXES.length) return isDense(array, length) ? array : null;
  if (clone !== null) return readElements(array, length);
  const values = Object.values(array);
  if (values.length !== length) return null;
  for (let i = 0; i < length; i++) {
    const value = values[i], element = array[i];
    // As a hole and a named property make it, or a getter that does not give the same again: then what it gave first counts.
    if (value !== element && (value === value || element === element)) return isDense(array, length) ? values : null;
    if (value === undefined && !hasOwnProperty.call(array, i)) return null;
  }
  return array;
}

function isDense(array: readonly unknown[], length: number): boolean {
  const keys = Object.keys(array);
  return keys.length === length && (length === 0 || keys[length - 1] === (INDEXES[length - 1] ?? String(length - 1)));
}

/** The same, on JavaScriptCore. */
function readElements(array: readonly unknown[], length: number): readonly unknown[] | null {
  const elements: unknown[] = [];
  let isCloned = length >= CLONED;
  for (let i = 0; i < length; i++) {
    const element = array[i], type = typeof element;
    if (element === undefined && !hasOwnProperty.call(array, i)) return null;
    elements.push(element); // what a getter gave first counts
    if (type !== "number" && (type !== "string" || length < CLONED_TEXTS)) isCloned = false;
  }
  return (isCloned ? hasNoNames(array) : hasIndexesAlone(array, length)) || isDense(array, length) ? elements : null;
}

function hasNoNames(array: readonly unknown[]): boolean {
  try {
    const copy = clone!(array) as unknown[];
    copy.length = 0;
    return Object.keys(copy).length === 0;
  } catch {
    return false; // what has a name cannot be cloned; or it is no array, but a proxy
  }
}

/** In half of the time that a list of them takes. False also if its prototype has something that can be listed. */
function hasIndexesAlone(array: readonly unknown[], length: number): boolean {
  let count = 0, last = "";
  for (last in array) count++;
  return count === length && last === String(length - 1);
}
