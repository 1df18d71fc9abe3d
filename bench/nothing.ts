/** The empty target of S1, in a module of its own: what else a program imports is not the library's to pay for. */
export function nothing(): void {}
