/**
 * A pool's tasks on their way to its workers and back, where memory is shared with them. See `pool_worker.ts` for the picture.
 *
 * @module
 */
import { Cargo } from "./cargo.ts";
import { decode, encode, HANDLE, type Shareable } from "./codec.ts";
import type { Port } from "./adapter.ts";
import type { Home } from "./home.ts";
import { performance } from "./host.ts";
import { KIND_RAW, UNIT } from "./layout.ts";
import { passengersOf, ringOf } from "./messages.ts";
import { pass } from "./holding.ts";
import { type Attempt, PENDING, type WaitScope } from "./attempt.ts";
import type { WaitSet } from "./wait_set.ts";
import type { Participant } from "./participant.ts";
import { MOST_ENTRIES, MOST_SEATS, NEWS_WAITERS, POOL_WORDS, PoolMemory, type Seats } from "./pool_memory.ts";
import { address, cargoKey, FAILED, messageOf, readApart, WITH_CARGO } from "./pool_record.ts";
import { type OnResult, Stream } from "./pool_stream.ts";
import { SENT, type Task, WAITING } from "./pool_task.ts";
import type { WorkerNews, WorkerOrders, WorkerRules } from "./pool_worker.ts";
import { SimpleQueue } from "./queue.ts";
import type { Ring } from "./ring.ts";
import { SharedBlock } from "./shared_block.ts";
import { ownTask, type TargetSpec, type TaskReference } from "./target.ts";
import { throwAside } from "./throw_aside.ts";

/** Who hears what comes back. */
export interface Listener {
  /** A task's result. */
  result(task: Task, status: number, micros: number, value: unknown): void;
  progress(task: Task, value: unknown): void;
  /** A worker waits for buffers. */
  send(seat: number, key: string, buffers: readonly ArrayBuffer[]): void;
  /** A worker can take a task. */
  ready(seat: number): void;
  /** A worker's initializer failed. */
  failed(seat: number, error: unknown): void;
  /** A worker is not to go on. */
  discard(seat: number): void;
  /** A worker gave back what it had in hand, and had not begun. They are to be sent again. */
  returned(tasks: readonly Task[]): void;
  /** A task was begun before it was heard that it was given up. */
  overtaken(task: Task): void;
  /** Whether results are to come. */
  readonly isAwaiting: boolean;
  /** Whether workers are to say that they can begin. */
  readonly isStarting: boolean;
}

/** Ways of a pool's tasks. */
export interface Route {
  /** What a function's number is. */
  describe(id: number, spec: TargetSpec): void;
  /** What its workers run. */
  readonly worker: TaskReference;
  /** A seat for a worker, what it is to be given, and what hears its words. */
  seat(rules: WorkerRules): { readonly seat: number; readonly orders: unknown; onWords(bytes: Uint8Array): void };
  /** It was started. @param port To it. */
  seated(seat: number, port: Port | null): void;
  /** How many more tasks can be on their way. */
  readonly room: number;
  /** Sends some tasks, as one record. */
  send(tasks: readonly Task[]): void;
  /** Takes a task back. False if somebody has begun it, or it is done. */
  revoke(task: Task): boolean;
  /** The seat of the worker that has begun a task; −1 if none has. */
  runnerOf(task: Task): number;
  /** A task was given up that a worker may have in hand, and nobody runs: it is passed over, or else {@linkcode Listener.overtaken}. */
  drop(task: Task): void;
  /** Asks a worker to give up the task that it runs. */
  cancel(seat: number, task: Task): void;
  /** Asks a worker to end, when it has nothing to run. */
  retire(seat: number): void;
  readonly seats: Seats;
  /** Whether a worker is still at a task that it has begun; or else its result is there, and not read. */
  runs(seat: number, task: Task): boolean;
  /** Reads what came back. */
  drain(): void;
  /** Buffers came from a worker. */
  arrived(seat: number, key: string, buffers: readonly ArrayBuffer[]): void;
  /** A worker has ended: the tasks that it had begun, of which results are still to come. What it had taken and not begun is to be taken back. */
  bury(seat: number): Promise<Task[]>;
  /** Takes back all tasks that nobody has begun, in order. */
  takeBack(): Task[];
  /** Whether a worker may have tasks in hand that it has not begun, while the ring has none for the others. */
  readonly isDry: boolean;
  /** Those on their way. */
  sent(): Task[];
  /** The task is over: what it had on its way is free. */
  release(task: Task): void;
  /** Hears what comes back, as long as results are to come; or else, if possible without keeping the program alive, as long as workers start. */
  listen(): void;
  /** No more tasks will be sent: workers end when there are none. */
  finish(): void;
  /** Lets go of everything. */
  close(): void;
}

/** See above. */
export class SharedRoute implements Route {
  readonly worker: TaskReference = ownTask("pool worker");
  readonly #me: Participant;
  readonly #home: Home;
  readonly #tasks: SimpleQueue;
  readonly #reports: SimpleQueue;
  readonly #ring: Ring;
  readonly #reportRing: Ring;
  readonly #block: SharedBlock;
  readonly #memory: PoolMemory;
  readonly #epoch: number;
  readonly #listener: Listener;
  /** Those on their way, by their entry. */
  readonly #sent: (Task | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #streams = new Map<number, Stream>();
  /** Buffers of results, by the seat that they come from. */
  readonly #cargo = new Map<number, Cargo>();
  readonly #isThread: boolean;
  readonly #functions: { offset: number; serial: number }[] = [];
  readonly #results: Ear;
  readonly #news: Ear;
  #isDraining = false;

  constructor(home: Home, me: Participant, listener: Listener) {
    this.#home = home;
    this.#isThread = home.method === "thread";
    this.#me = me;
    this.#listener = listener;
    this.#tasks = new SimpleQueue(home);
    this.#reports = new SimpleQueue(home);
    this.#ring = ringOf(this.#tasks);
    this.#reportRing = ringOf(this.#reports);
    this.#block = SharedBlock.make(home, "the pool's memory", POOL_WORDS);
    this.#epoch = performance.timeOrigin + performance.now();
    this.#memory = new PoolMemory(this.#block.place.words, this.#block.place.at, this.#epoch);
    const hear = () => {
      try {
        this.drain();
      } catch (error) {
        throwAside(error); // and whoever has a result yet to come gets it
      }
    };
    const { notEmpty } = this.#reportRing;
    this.#results = new Ear(me, notEmpty, hear, () => listener.isAwaiting, true);
    this.#news = new Ear(me, notEmpty, hear, () => listener.isStarting, false);
  }

  describe(id: number, spec: TargetSpec): void {
    const message = encode(spec, { path: "function" });
    const { heap, arena, ident } = this.#me;
    const block = heap.allocate(message.byteLength, KIND_RAW, ident);
    message.writeTo(arena.bytes(block.offset, message.byteLength), 0);
    this.#functions.push(block);
    this.#memory.describe(id, { units: block.offset / UNIT, serial: block.serial, byteLength: message.byteLength });
  }

  seat(rules: WorkerRules): { seat: number; orders: WorkerOrders; onWords(): void } {
    let seat = 0;
    while (this.#streams.has(seat)) seat++;
    if (seat >= MOST_SEATS) throw new RangeError(`Cannot start another worker: a pool has at most ${MOST_SEATS}`);
    this.#memory.clear(seat);
    const stream = Stream.make(this.#home);
    this.#streams.set(seat, stream);
    this.#cargo.set(seat, new Cargo());
    return {
      seat,
      orders: {
        seat,
        rules,
        isThread: this.#isThread,
        tasks: this.#tasks,
        reports: this.#reports,
        stream: stream.block,
        memory: this.#block,
        epoch: this.#epoch,
      },
      onWords() {},
    };
  }

  seated(): void {}

  send(tasks: readonly Task[]): void {
    const shared: Shareable[] = [], unsendable = new Map<Task, unknown>();
    for (const task of tasks) {
      task.entry = this.#free.pop() ?? this.#sent.length;
      task.generation = this.#memory.queue(task.entry);
      task.state = SENT;
      this.#sent[task.entry] = task;
      address(task, task.entry, task.generation, task.attempt);
      if (task.shared.length === 0) continue;
      try {
        for (const object of task.shared) object[HANDLE](); // throws if it was closed meanwhile
        shared.push(...task.shared);
      } catch (error) {
        unsendable.set(task, error);
      }
    }
    const sendable = unsendable.size === 0 ? tasks : tasks.filter((task) => !unsendable.has(task));
    if (sendable.length > 0) {
      const message = messageOf(sendable, shared);
      this.#ring.tryPut(this.#ring.prepare(message, passengersOf(this.#me, shared)), () => {});
      pass(shared);
    }
    // When all others have their place: who hears of it may end the pool.
    for (const [task, error] of unsendable) this.#listener.result(task, FAILED, 0, error);
  }

  get seats(): Seats {
    return this.#memory;
  }

  /** How many more tasks can be on their way. */
  get room(): number {
    return this.#free.length + MOST_ENTRIES - this.#sent.length;
  }

  revoke(task: Task): boolean {
    return this.#memory.revoke(task.entry, task.generation);
  }

  runnerOf(task: Task): number {
    return this.#memory.runnerOf(task.entry, task.generation);
  }

  drop(): void {}

  cancel(seat: number, task: Task): void {
    this.#memory.cancel(seat, task.entry, task.generation);
    this.#tell();
  }

  retire(seat: number): void {
    this.#memory.retire(seat);
    const { words, at } = this.#ring.notEmpty;
    this.#me.parker.wakeAll(words, at);
  }

  runs(seat: number, task: Task): boolean {
    return this.#memory.runs(seat, task.entry);
  }

  drain(): void {
    // Whoever hears of a result may send more, which may want to read more.
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      // What a task said of itself comes before its result.
      const streams = [...this.#streams.values()], ends = streams.map((stream) => stream.end);
      while (this.#reportRing.tryGet(this.#readReport) !== PENDING);
      for (const [i, stream] of streams.entries()) stream.read(ends[i], this.#onResult);
    } finally {
      this.#isDraining = false;
    }
  }

  arrived(seat: number, key: string, buffers: readonly ArrayBuffer[]): void {
    this.#cargo.get(seat)?.arrive(key, buffers);
  }

  // deno-lint-ignore require-await -- where there are pipes it takes time
  async bury(seat: number): Promise<Task[]> {
    this.drain();
    const stream = this.#streams.get(seat);
    if (stream === undefined) return [];
    this.#streams.delete(seat);
    this.#cargo.delete(seat);
    stream.close();
    // More than one if buffers of an earlier one's result have not come.
    return this.sent().filter((task) => this.runnerOf(task) === seat);
  }

  takeBack(): Task[] {
    const waiting = this.#sent.filter((task) => task !== undefined && this.revoke(task)) as Task[];
    for (const task of waiting) {
      this.release(task);
      task.state = WAITING;
    }
    return waiting.sort((a, b) => a.id - b.id);
  }

  get isDry(): boolean {
    return this.#ring.size === 0;
  }

  sent(): Task[] {
    return this.#sent.filter((task) => task !== undefined);
  }

  release(task: Task): void {
    this.#memory.free(task.entry);
    this.#sent[task.entry] = undefined;
    this.#free.push(task.entry);
  }

  listen(): void {
    const listener = this.#listener;
    if (listener.isAwaiting) this.#results.hear();
    else if (listener.isStarting) this.#news.hear();
  }

  finish(): void {
    this.#ring.shutdown(false);
  }

  close(): void {
    this.#results.stop();
    this.#news.stop();
    for (const stream of this.#streams.values()) stream.close();
    for (const block of this.#functions) this.#me.heap.free(block);
    for (const object of [this.#tasks, this.#reports, this.#block]) object.close();
  }

  #tell(): void {
    const { words, at } = this.#block.place.waitSet(NEWS_WAITERS);
    this.#memory.tell();
    this.#me.parker.wakeAll(words, at);
  }

  readonly #onResult: OnResult = (entry, generation, status, micros, bytes, at, byteLength) => {
    const task = this.#sent[entry];
    // One that was given up meanwhile.
    if (task === undefined || task.generation !== generation) return;
    if ((status & WITH_CARGO) === 0) return this.#settle(task, status, micros, bytes, at, byteLength);
    const kept = bytes.slice(at, at + byteLength);
    this.#cargo.get(this.runnerOf(task))?.take(cargoKey(entry, generation), (moved) => {
      if (this.#sent[entry] !== task || task.generation !== generation) return;
      this.#settle(task, status & ~WITH_CARGO, micros, kept, 0, byteLength, moved);
    });
  };

  /** A task's result is there, as bytes. */
  #settle(
    task: Task,
    status: number,
    micros: number,
    bytes: Uint8Array,
    at: number,
    byteLength: number,
    moved?: readonly ArrayBuffer[],
  ): void {
    let value: unknown;
    try {
      value = decode(bytes, at, byteLength, this.#home, moved);
    } catch (error) {
      [status, value] = [FAILED, error];
    }
    this.#listener.result(task, status, micros, value);
  }

  readonly #readReport = (bytes: Uint8Array, offset: number, length: number): void => {
    if (readApart(bytes, offset, this.#onResult)) return;
    let news: WorkerNews;
    try {
      news = decode(bytes, offset, length, this.#home) as WorkerNews;
    } catch (error) {
      return throwAside(error); // of the class of something that a task tells of itself
    }
    if (news.type === "ready") this.#listener.ready(news.seat);
    else if (news.type === "failed") this.#listener.failed(news.seat, news.error);
    else {
      const sent = this.#sent[news.entry], task = sent?.generation === news.generation ? sent : null;
      if (news.type === "progress") {
        if (task !== null) this.#listener.progress(task, news.value);
        return;
      }
      // One that was given up meanwhile gets nothing.
      this.#listener.send(news.seat, cargoKey(news.entry, news.generation), task?.moved ?? []);
      if (task !== null) this.#giveAway(task);
    }
  };

  /** Its buffers are its worker's: it cannot be tried again. */
  #giveAway(task: Task): void {
    task.moved = [];
    task.retries = 0;
  }
}

/** Hears what comes as long as that is wanted. */
class Ear {
  readonly #me: Participant;
  readonly #set: WaitSet;
  readonly #isWanted: () => boolean;
  readonly #keepsAlive: boolean;
  readonly #scope: WaitScope = new Set();
  readonly #what: Attempt<boolean>;
  #isListening = false;

  /** @param hear Takes what has come. @param keepsAlive Whether the program goes on for it. */
  constructor(me: Participant, set: WaitSet, hear: () => void, isWanted: () => boolean, keepsAlive: boolean) {
    this.#me = me;
    this.#set = set;
    this.#isWanted = isWanted;
    this.#keepsAlive = keepsAlive;
    const attempt = () => {
      hear();
      return !isWanted() || PENDING;
    };
    this.#what = { attempt, more: () => false, isBackground: !keepsAlive };
  }

  hear(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const done = () => {
      this.#isListening = false;
      if (this.#isWanted()) this.hear();
    };
    this.#me.parker.tasks.sleep(this.#set, this.#what, undefined, () => false, this.#scope, this.#keepsAlive).then(done, () => {
      this.#isListening = false;
    });
  }

  stop(): void {
    for (const cancel of [...this.#scope]) cancel(new Error("closed"));
  }
}
