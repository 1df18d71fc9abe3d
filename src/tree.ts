/**
 * This thread's place in the tree of processes, and what is passed along in it where no memory is shared:
 *
 * ```text
 *              root: keeps the objects (hub.ts)
 *              ▲ │
 *     requests │ │ answers           a frame goes from port to port along the path that it names
 *              │ ▼
 *            child 1 ─────── child 1.1
 * ```
 *
 * It also knows the ids of all processes below, as far as they were told of.
 *
 * @module
 */
import type { Adapter, Port } from "./adapter.ts";
import { ANSWER, type Frame, kindOf, LOST, NEWS, openFrame, type Path, pathOf, REQUEST, seal, writeFrame } from "./tree_frame.ts";

/** Whoever keeps objects for processes that do not share their memory. */
export interface Host {
  /** A process was started. @throws {RangeError} There is no place for another. */
  admit(path: Path): void;
  /** Gives an object to a process that is being started. False if it is gone. */
  give(path: Path, handle: readonly number[]): boolean;
  /** Does what a process asks. @param branch The process, if it is a child of this thread. */
  serve(frame: Frame, branch: Branch | null): void;
  /** A process has ended; those below it cannot be reached any more. */
  bury(path: Path): void;
}

/** Whoever uses objects that are kept above. */
export interface Client {
  answered(frame: Frame): void;
  /** Nothing will be answered any more. */
  lost(): void;
}

/** What the tree must know of this thread. */
export interface TreeOptions {
  readonly path: Path;
  /** To the parent; null in the root. */
  readonly up: Port | null;
  /** Whether this thread shares no memory with the processes that it starts. Asked when it matters: the answer may take loading foreign functions. */
  isApart(): boolean;
  /** Who keeps objects in this thread; null where those above do, or nobody has any. */
  host(): Host | null;
}

/** See above. */
export class Tree {
  readonly path: Path;
  readonly #askApart: () => boolean;
  #isApart: boolean | null = null;
  readonly #up: Port | null;
  readonly #findHost: () => Host | null;
  readonly #ports = new Map<number, Port>();
  readonly #pids = new Map<string, number>();
  #grown = 0;
  #isLost = false;
  /** Set once there is one. */
  client: Client | null = null;

  constructor({ path, up, isApart, host }: TreeOptions) {
    this.path = path;
    this.#askApart = isApart;
    this.#up = up;
    this.#findHost = host;
  }

  /** Whether this thread shares no memory with the processes that it starts. */
  get isApart(): boolean {
    return this.#isApart ??= this.#askApart();
  }

  /** The host of this thread. */
  get host(): Host | null {
    return this.#findHost();
  }

  /** Whether those above can be reached. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** A place for another child. */
  grow(): Branch {
    return new Branch(this, [...this.path, ++this.#grown]);
  }

  /** What came from the parent. */
  hearAbove(bytes: Uint8Array): void {
    switch (kindOf(bytes)) {
      case ANSWER: {
        const path = pathOf(bytes);
        if (path.length === this.path.length) this.client?.answered(openFrame(bytes));
        else this.#ports.get(path[this.path.length])?.post(bytes);
        return;
      }
      case LOST:
        this.lose();
    }
  }

  /** What came from a child. False if it is no frame. */
  hearBelow(bytes: Uint8Array, branch: Branch): boolean {
    switch (kindOf(bytes)) {
      case REQUEST: {
        const host = this.#findHost();
        if (host !== null) {
          const frame = openFrame(bytes);
          host.serve(frame, frame.path.length === branch.path.length ? branch : null);
        } else if (this.#isLost) this.#ports.get(branch.path.at(-1)!)?.post(writeFrame(LOST, [], NOTHING));
        else this.#up?.post(bytes);
        return true;
      }
      case NEWS: {
        const { path, envelope, handles } = openFrame(bytes);
        this.#note(path, envelope as News, handles);
        return true;
      }
    }
    return false;
  }

  /** Those above are gone: so nobody below can reach them either. */
  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.client?.lost();
    const bytes = writeFrame(LOST, [], NOTHING);
    for (const port of this.#ports.values()) port.post(bytes);
  }

  /** Sends a frame to a process below. */
  sendDown(path: Path, bytes: Uint8Array): void {
    this.#ports.get(path[this.path.length])?.post(bytes);
  }

  /** Sends a frame up. */
  sendUp(bytes: Uint8Array): void {
    this.#up?.post(bytes);
  }

  /** For {@linkcode Branch}. */
  started(branch: Branch, pid: number, port: Port, handles: readonly (readonly number[])[]): void {
    this.#ports.set(branch.path.at(-1)!, port);
    if (!this.isApart) return;
    const host = this.#findHost();
    this.#pids.set(branch.path.join("."), pid);
    if (host === null) this.sendUp(writeFrame(NEWS, branch.path, seal({ pid } satisfies News), handles));
  }

  /** For {@linkcode Branch}. */
  ended(branch: Branch): void {
    this.#ports.delete(branch.path.at(-1)!);
    this.#note(branch.path, { pid: 0 }, []);
  }

  /** The ids of the processes below one. */
  below(path: Path): number[] {
    const start = `${path.join(".")}.`;
    return [...this.#pids].filter(([key]) => key.startsWith(start)).map(([, pid]) => pid);
  }

  #note(path: Path, { pid }: News, handles: readonly (readonly number[])[]): void {
    const key = path.join(".");
    if (pid !== 0) this.#pids.set(key, pid);
    else {
      for (const other of [...this.#pids.keys()]) if (other === key || other.startsWith(`${key}.`)) this.#pids.delete(other);
    }
    const host = this.#findHost();
    if (host === null) {
      if (this.isApart) this.sendUp(writeFrame(NEWS, path, seal({ pid } satisfies News), handles));
    } else if (pid === 0) host.bury(path);
    else {
      host.admit(path);
      for (const handle of handles) host.give(path, handle);
    }
  }
}

interface News {
  /** Its id; 0: it has ended. */
  readonly pid: number;
}

const NOTHING = new Uint8Array(0);

/** A child's place in the tree. */
export class Branch {
  readonly path: Path;
  readonly #tree: Tree;
  readonly #handles: (readonly number[])[] = [];
  /** What it holds by itself: its place in the memory, and the objects that it was given there. */
  readonly inherited: { readonly ident: number; readonly handle: readonly number[] }[] = [];

  constructor(tree: Tree, path: Path) {
    this.#tree = tree;
    this.path = path;
  }

  /** Gives it an object that is not in a memory which it shares. False if that is known to be gone. */
  give(handle: readonly number[]): boolean {
    const { host } = this.#tree;
    if (host === null) {
      this.#handles.push(handle);
      return true;
    }
    host.admit(this.path);
    return host.give(this.path, handle);
  }

  /** It was given an object in memory that it shares; or, as it may turn out, cannot. */
  inherits(ident: number, handle: readonly number[]): void {
    this.inherited.push({ ident, handle });
  }

  /** It was started. */
  started(pid: number, port: Port): void {
    if (this.#tree.isApart) this.#tree.host?.admit(this.path);
    this.#tree.started(this, pid, port, this.#handles);
  }

  /** It has ended, and what it said was heard; or it could not be started. */
  ended(): void {
    this.#tree.ended(this);
  }

  /** What came from it. False if that is no frame. */
  hear(bytes: Uint8Array): boolean {
    return this.#tree.hearBelow(bytes, this);
  }

  /** Ends the processes below it, as far as they were told of. */
  endDescendants({ kill, thread }: Pick<Adapter, "kill" | "thread">, signal: number): void {
    const self = thread().pid; // that of the threads below
    for (const pid of this.#tree.below(this.path)) if (pid !== self) kill(pid, signal);
  }
}
