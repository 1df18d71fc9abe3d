/**
 * This thread's part in the world: the adapter, what it was born with, and the homes of its shared objects.
 *
 * @module
 */
import type { Adapter, MappedHandle, MappedMemory, Memory, StartMethod } from "./adapter.ts";
import { Arena } from "./arena.ts";
import { ArenaHome } from "./arena_home.ts";
import { toBytes } from "./birth.ts";
import { Cargo, Words } from "./cargo.ts";
import { UnsupportedError } from "./errors.ts";
import { type Home, registerHome, registerHomeLater } from "./home.ts";
import { randomWord } from "./host.ts";
import { Hub } from "./hub.ts";
import { LocalMemory, sharedBuffer, SharedBufferMemory } from "./memory.ts";
import { OpenPools } from "./open_pools.ts";
import { Participant } from "./participant.ts";
import { RemoteHome } from "./remote_home.ts";
import { Tree } from "./tree.ts";
import type { Path } from "./tree_frame.ts";
import { Uplink } from "./uplink.ts";

/** Sparse: what is not touched costs nothing. */
const MAPPED_BYTES = 2 ** 36;
const SMALLEST_MAPPED_BYTES = 2 ** 28;
/** How long memory is kept for quick use. */
const KEPT_MS = 1000;

/** What a child is told of the memory that it shares. Idents are 0 where there is none. */
export interface Inheritance {
  /** Its slot in the mapped arena. */
  readonly mappedIdent: number;
  /** For a thread: the mapped memory of its process. A process inherits it otherwise. */
  readonly mapped: (MappedHandle & { readonly arena: number }) | null;
  /** A thread's slot in the `SharedArrayBuffer`. */
  readonly sharedIdent: number;
  /** Where it is in the tree of processes. */
  readonly path: Path;
  /** What tells the memory of start method `"process"` from others, or that of `"thread"` where not even threads share any; null: there is none yet. */
  readonly treeHome: number | null;
}

/** The homes of one thread. */
export class World {
  readonly adapter: Adapter;
  readonly #inheritance: Inheritance | null;
  readonly #buffer: SharedArrayBuffer | null;
  readonly #homes = new Map<StartMethod, Home>();
  #mapped: MappedMemory | null = null;
  #hub: Hub | null = null;
  #uses = 1;
  /** Whether the program ends: what it starts from now on would be left behind. */
  isEnding = false;
  /** Pools that this thread has made and that are not over. */
  readonly pools: OpenPools;
  /** This thread's place among all processes and threads. */
  readonly tree: Tree;
  /** What came from the parent beside the tasks of its pool. */
  readonly cargo: Cargo = new Cargo();
  /** What the owner of its pool says. */
  readonly words: Words = new Words();

  /** @param buffer A thread's part of the inheritance that is not data. */
  constructor(adapter: Adapter, inheritance: Inheritance | null, buffer: SharedArrayBuffer | null) {
    this.adapter = adapter;
    this.pools = new OpenPools(adapter);
    this.#inheritance = inheritance;
    this.#buffer = buffer;
    this.tree = new Tree({
      path: inheritance?.path ?? [],
      up: adapter.birth?.port ?? null,
      isApart: () => this.apart !== null,
      host: () => this.#host(),
    });
  }

  /** The program's own part is done: from now on it goes on only as long as it has something to do. */
  rest(): void {
    this.#release();
  }

  /** Resolves once what this thread put, and asked those above, is done. */
  async settled(): Promise<void> {
    for (const home of this.#homes.values()) await home.settled();
  }

  /** Moves buffers to the parent of this thread. @param key What they belong to. */
  sendCargo(key: string, buffers: readonly ArrayBuffer[]): void {
    this.adapter.birth!.port.post(toBytes(key), buffers, buffers);
  }

  /** The home of a start method's objects, which this thread takes part in from now on. @throws {UnsupportedError} There is none here. */
  home(method: StartMethod): Home {
    let home = this.#homes.get(method);
    if (home === undefined) {
      home = this.#open(method);
      this.#homes.set(method, home);
      registerHome(home);
    }
    return home;
  }

  /** The home if it is in use already. */
  openHome(method: StartMethod): ArenaHome | null {
    const home = this.#homes.get(method);
    return home instanceof ArenaHome ? home : null;
  }

  /** Opens whatever was inherited, so that handles in it can be revived. A thread's part in mapped memory waits until it is needed: it costs as much as the rest of the start. */
  openInherited(): void {
    if (this.#inheritance === null) return;
    const { mapped, treeHome } = this.#inheritance;
    if (mapped !== null) registerHomeLater(mapped.arena, () => this.home("process"));
    else if (treeHome !== null) this.home(this.apart ?? "process");
    if (this.#buffer !== null) this.home("thread");
  }

  /** Mapped memory, if there is any here. */
  get mapped(): MappedMemory | null {
    return this.#mapped;
  }

  /** The start method whose children share no memory with this thread: the root keeps their objects. Null: there is none. */
  get apart(): "process" | "thread" | null {
    const { startMethods, sharedMemory } = this.adapter.can;
    const method = sharedMemory.thread ? "process" : "thread";
    if (!startMethods.includes(method) && (this.#inheritance?.treeHome ?? null) === null) return null;
    return method === "process" && this.isMappable ? null : method;
  }

  /** The buffer of the `thread` arena. */
  get sharedBuffer(): SharedArrayBuffer | null {
    const home = this.openHome("thread");
    return home === null ? null : (home.me.arena.memory as SharedBufferMemory).buffer;
  }

  #open(method: StartMethod): Home {
    const { can, birth } = this.adapter;
    if (method === this.apart) return this.#openApart(method);
    if (method === "process") {
      const inherited = this.#inheritance !== null && this.#inheritance.mappedIdent !== 0;
      if (!inherited) {
        this.#mapped = this.#makeMapped();
        return this.#found(method, this.#mapped, can.blocking);
      }
      this.#mapped = birth!.memory ?? this.adapter.memory(this.#inheritance!.mapped!);
      return this.#join(method, Arena.open(this.#mapped), this.#inheritance!.mappedIdent, can.blocking);
    }
    if (method === "thread") {
      if (!can.sharedMemory.thread) throw new UnsupportedError(`Cannot share memory with threads: ${can.reasons["sharedMemory.thread"]}`);
      const memory = new SharedBufferMemory(
        this.#buffer ?? sharedBuffer(),
        (at) => this.adapter.threadAlive(at),
        () => this.adapter.giveWay(),
      );
      if (this.#buffer === null) return this.#found(method, memory, can.blocking);
      return this.#join(method, Arena.open(memory), this.#inheritance!.sharedIdent, can.blocking);
    }
    return this.#found(method, new LocalMemory(), false);
  }

  /** Whether memory is shared with processes. */
  get isMappable(): boolean {
    const { can, birth } = this.adapter;
    const from = this.#inheritance;
    if (from === null || from.treeHome === null) return can.sharedMemory.process;
    if (from.mappedIdent === 0) return false;
    // What the process has mapped, its threads have.
    return from.mapped !== null || birth?.memory !== null && can.sharedMemory.process;
  }

  /** Without such memory the root keeps the objects, for all. */
  #openApart(method: "process" | "thread"): Home {
    const { can, birth } = this.adapter;
    const missing = can.reasons[`sharedMemory.${method}`] ?? "the process that started this one shares none";
    const id = this.#inheritance?.treeHome;
    if (id === undefined || id === null) {
      const home = this.#found(method, new LocalMemory(), false);
      home.missing = missing;
      return home;
    }
    const hold = () => this.#uses++ === 0 && birth!.port.ref();
    return new RemoteHome(method, id, new Uplink(this.tree, hold, () => this.#release(), () => birth!.port.flushed()), missing);
  }

  #release(): void {
    if (--this.#uses === 0) this.adapter.birth?.port.unref();
  }

  /** Who keeps objects for those that do not share this thread's memory. */
  #host(): Hub | null {
    if (this.#hub !== null) return this.#hub;
    const { apart } = this;
    const home = apart !== null && this.#inheritance === null ? this.home(apart) : this.openHome("process");
    if (!(home instanceof ArenaHome)) return null;
    return this.#hub = new Hub(home, (path, bytes) => this.tree.sendDown(path, bytes));
  }

  /** The first participant of a new arena. */
  #found(method: StartMethod, memory: Memory, mayBlock: boolean): ArenaHome {
    const arena = Arena.create(memory, randomWord());
    return this.#join(method, arena, arena.reserve(0), mayBlock);
  }

  #join(method: StartMethod, arena: Arena, ident: number, mayBlock: boolean): ArenaHome {
    const { adapter } = this;
    const me = new Participant(arena, ident, adapter.thread(), mayBlock, adapter.birth?.kind === "thread");
    giveBackLater(me, adapter);
    me.onMany = () => adapter.collect();
    return new ArenaHome(method, me);
  }

  #makeMapped(): MappedMemory {
    for (let size = MAPPED_BYTES;; size /= 4) {
      try {
        return this.adapter.memory(size);
      } catch (error) {
        if (size <= SMALLEST_MAPPED_BYTES) throw error;
      }
    }
  }
}

/** Has memory that was kept for quick use given back, once nobody needed it for a moment: this participant may not wait for anything, and so not look around, for long. */
function giveBackLater(me: Participant, adapter: Adapter): void {
  let isWaiting = false;
  const wait = () => {
    isWaiting = true;
    adapter.quietly(KEPT_MS, () => {
      isWaiting = false;
      if (!me.isGone && !me.heap.giveBack()) wait();
    });
  };
  me.heap.onSurplus = () => {
    if (!isWaiting) wait();
  };
}
