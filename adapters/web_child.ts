/**
 * Loaded before the adapter in a worker that the library started: what it is cannot be told otherwise.
 *
 * @module
 */

(globalThis as { polyprocChild?: boolean }).polyprocChild = true;
