/**
 * Key lists of objects, remembered between messages on both sides, so that a record's keys are spelled and read once.
 * Both memories are bounded; what falls out is made anew.
 *
 * @module
 */

const MAX_KEYS = 64;
const MAX_KEY_LENGTH = 64;
const MAX_NODES = 4096;
const CACHE_SLOTS = 512;
const MAX_CACHED_BYTES = 1024;

/** A key list seen by the encoder: the path from the root of a tree. */
export class ShapeNode {
  readonly parent: ShapeNode | null;
  readonly key: string;
  readonly size: number;
  /** The child taken last, tried before the map. */
  lastKey: string = "";
  lastChild: ShapeNode | null = null;
  children: Map<string, ShapeNode> | null = null;
  /** The keys from the root to here, and how a message spells them; made when an object has ended here. */
  keys: readonly string[] | null = null;
  definition: Uint8Array | null = null;
  /** The message that has defined this shape, and the number that it has there. */
  message: number = 0;
  id: number = 0;

  constructor(parent: ShapeNode | null, key: string) {
    this.parent = parent;
    this.key = key;
    this.size = parent === null ? 0 : parent.size + 1;
  }
}

let root = new ShapeNode(null, "");
let nodes = 0;

/** Where every object begins. */
export function shapeRoot(): ShapeNode {
  return root;
}

/** The child for `key` where the last one taken is another; null if the object is rather a dictionary. */
export function childShape(node: ShapeNode, key: string): ShapeNode | null {
  let child = node.children?.get(key);
  if (child === undefined) {
    if (node.size === MAX_KEYS || key.length > MAX_KEY_LENGTH) return null;
    if (++nodes > MAX_NODES) {
      // Objects that use data as keys would fill any tree. The path being walked stays usable, it is just no longer found.
      root = new ShapeNode(null, "");
      nodes = 0;
    }
    child = new ShapeNode(node, key);
    // Most have one alone, the last.
    if (node.lastChild !== null) (node.children ??= new Map([[node.lastKey, node.lastChild]])).set(key, child);
  }
  node.lastKey = key;
  node.lastChild = child;
  return child;
}

/** The keys that lead to `node`. */
export function keysOf(node: ShapeNode): readonly string[] {
  const keys: string[] = [];
  for (let at = node; at.parent !== null; at = at.parent) keys.push(at.key);
  return node.keys = keys.reverse();
}

/** FNV-1a: finds a key list in the reader's cache without reading it first. */
export function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

/** A key list as the decoder uses it. */
export interface Shape {
  readonly keys: readonly string[];
  /** Some key is a name that objects inherit, such as `__proto__`: assignment might not create it. */
  readonly hasInherited: boolean;
  /** The bytes that spell it. */
  readonly spelling: Uint8Array;
}

const NO_SHAPE: Shape = { keys: [], hasInherited: false, spelling: new Uint8Array(0) };
const cache: Shape[] = new Array<Shape>(CACHE_SLOTS).fill(NO_SHAPE);

/** The remembered shape spelled by these bytes, which are compared whatever the hash says: memory is not to be trusted. */
export function findShape(hash: number, bytes: Uint8Array, start: number, length: number): Shape | undefined {
  const shape = cache[hash & (CACHE_SLOTS - 1)];
  const spelling = shape.spelling;
  if (spelling.length !== length) return undefined;
  for (let i = 0; i < length; i++) if (spelling[i] !== bytes[start + i]) return undefined;
  return length === 0 ? undefined : shape;
}

/** The same keys as the names of properties, as the engine looks them up. */
function internedOf(keys: string[]): readonly string[] {
  // One table of all: an object for each key would leave the engine a class of objects for each.
  const table = Object.create(null);
  for (const key of keys) table[key] = 0;
  const names = Object.keys(table);
  return names.length === keys.length && names.every((name, i) => name === keys[i]) ? names : keys;
}

/** Remembers a key list under the hash that its spelling really has. */
export function rememberShape(keys: string[], spelling: Uint8Array): Shape {
  const shape: Shape = { keys: internedOf(keys), hasInherited: keys.some((key) => key in Object.prototype), spelling };
  if (spelling.length <= MAX_CACHED_BYTES) cache[hashOf(spelling) & (CACHE_SLOTS - 1)] = shape;
  return shape;
}
