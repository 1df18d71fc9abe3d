/**
 * Foreign functions on Node: the `koffi` package where it is installed, else `node:ffi` (Node 26.1 and later).
 *
 * @module
 */

import { UnsupportedError } from "../src/errors.ts";
import type { Bytes, CType, Foreign, Libc, Signature } from "./posix.ts";
import { CALLS, loadLibc } from "./posix.ts";
import { standard } from "./standard.ts";

/** What is used of koffi. */
interface Koffi {
  load(library: string): { func(name: string, result: string, parameters: string[]): unknown };
  view(address: bigint, length: number): ArrayBuffer;
}

const KOFFI_TYPES: Record<CType, string> = { i32: "int32_t", u32: "uint32_t", i64: "int64_t", address: "uintptr_t", bytes: "void *" };

function overKoffi(koffi: Koffi): Foreign {
  return loadLibc(process.arch, (name) => {
    const library = koffi.load(name);
    const libc: Record<string, unknown> = {};
    for (const [name, [parameters, result]] of Object.entries(CALLS)) {
      libc[name] = library.func(name, KOFFI_TYPES[result], parameters.map((type) => KOFFI_TYPES[type]));
    }
    return { libc: libc as unknown as Libc, view: (address, length) => koffi.view(BigInt(address), length) };
  });
}

type Call = (...args: (number | bigint | Bytes | null)[]) => number | bigint;

/** What is used of `node:ffi`, whose keys for a signature changed between its releases. */
interface NodeFfi {
  dlopen(library: string, symbols: Record<string, Record<string, unknown>>): { functions: Record<string, Call> };
  toArrayBuffer(address: bigint, length: number, copy: boolean): ArrayBuffer;
}

const FFI_TYPES: Record<CType, string> = { i32: "i32", u32: "u32", i64: "i64", address: "u64", bytes: "pointer" };

/** 64-bit integers are `bigint` there, and only there. */
function withPlainNumbers(call: Call, [parameters, result]: Signature): Call {
  const wide = parameters.map((type) => type === "i64" || type === "address");
  const bytes = parameters.map((type) => type === "bytes");
  return (...args) => {
    for (let i = 0; i < args.length; i++) {
      if (wide[i]) args[i] = BigInt(args[i] as number);
      else if (bytes[i] && args[i] === null) args[i] = 0n;
    }
    const got = call(...args);
    return result === "i32" ? got : Number(got);
  };
}

function overNodeFfi(ffi: NodeFfi): Foreign {
  return loadLibc(process.arch, (name) => {
    const symbols = (parameters: string, result: string) =>
      Object.fromEntries(
        Object.entries(CALLS).map(([name, [takes, gives]]) => [name, {
          [parameters]: takes.map((type) => FFI_TYPES[type]),
          [result]: FFI_TYPES[gives],
        }]),
      );
    let functions: Record<string, Call>;
    try {
      functions = ffi.dlopen(name, symbols("arguments", "return")).functions;
    } catch {
      functions = ffi.dlopen(name, symbols("parameters", "result")).functions;
    }
    const libc = Object.fromEntries(Object.entries(CALLS).map(([name, signature]) => [name, withPlainNumbers(functions[name], signature)]));
    return { libc: libc as unknown as Libc, view: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false) };
  });
}

/** Runs `load` without the warning that `node:ffi` is experimental: it was printed by the root, and every child would repeat it. */
function quietly<T>(load: () => T): T {
  const own = Object.getOwnPropertyDescriptor(process, "emitWarning");
  process.emitWarning = () => {};
  try {
    return load();
  } finally {
    if (own === undefined) delete (process as { emitWarning?: unknown }).emitWarning;
    else Object.defineProperty(process, "emitWarning", own);
  }
}

/** Gives null if it is not installed, or not for this machine. */
function loadKoffi(): Koffi | null {
  const { createRequire } = standard<typeof import("node:module")>("node:module");
  try {
    const path = createRequire(import.meta.url).resolve("koffi"), require = createRequire(path);
    try {
      // What koffi itself loads, after looking around for longer than this takes.
      return require(`@koromix/koffi-${process.platform}-${process.arch}`) as Koffi;
    } catch {
      return require(path) as Koffi;
    }
  } catch {
    return null;
  }
}

/**
 * Loads foreign functions.
 *
 * @param isChild Whether the root has printed the warnings.
 * @throws {UnsupportedError} There are none.
 */
export function loadForeign(isChild: boolean): Foreign {
  const koffi = loadKoffi();
  if (koffi !== null) return overKoffi(koffi);
  const load = () => {
    const ffi = standard<NodeFfi | undefined>("node:ffi");
    if (ffi === undefined) throw new UnsupportedError("no foreign-function interface: npm install koffi, or use Node 26.1 or later");
    return overNodeFfi(ffi);
  };
  return isChild ? quietly(load) : load();
}
