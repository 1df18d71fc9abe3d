/**
 * What a parent tells a child when it is born, and what both say to each other afterwards. All of it travels encoded, over the control channel.
 *
 * @module
 */
import type { StartMethod } from "./adapter.ts";
import { decode, encode } from "./codec.ts";
import type { LogInheritance } from "./log.ts";
import type { TargetSpec } from "./target.ts";
import type { Inheritance } from "./world.ts";

/** The first message to a child. */
export interface BirthMessage extends Inheritance {
  readonly name: string;
  readonly daemon: boolean;
  readonly parentPid: number;
  readonly parentName: string;
  /** How it was started, which is its own default start method. */
  readonly method: StartMethod;
  /** What tells a thread from others. */
  readonly ident: number;
  readonly log: LogInheritance;
  /** The program's own arguments. */
  readonly argv: readonly string[];
  /** The function; null: there is none. */
  readonly target: TargetSpec | null;
  /** The subclass of Process whose `run()` is called in its stead; null: it is none. */
  readonly subclass: TargetSpec | null;
  /** Whether it is a worker of a pool: what a task leaves open does not keep it alive. */
  readonly isWorker: boolean;
  /** The encoded {@linkcode Payload}: decoded last, when the memory that its handles live in is there. */
  readonly payload: Uint8Array;
}

/** What the target is given. */
export interface Payload {
  readonly args: readonly unknown[];
  /** Own fields of an instance of a subclass. */
  readonly fields: Readonly<Record<string, unknown>> | null;
}

/** What a child says to its parent. */
export type ToParent = /** An error ended it. */
  { readonly type: "error"; readonly error: unknown };

/** What moved buffers belong to, which come with it. */
export type CargoKey = string;

/** Encodes what is said over the control channel. */
export function toBytes(message: ToParent | BirthMessage | CargoKey): Uint8Array {
  return encode(message, { path: "message" }).copy();
}

/** Decodes it. */
export function fromBytes(bytes: Uint8Array): unknown {
  return decode(bytes);
}
