/**
 * A pool's tasks on their way to its workers and back, where no memory is shared with them: as words on the control channel of each (`pool_words.ts`).
 *
 * A worker runs one task after another. With the result of one it says that it begins the next, in one message, which the system has before that runs. So what a worker was at that died is known, whenever that was.
 *
 * *Ahead.* Where tasks take little time a worker has several in hand, so that it need not wait for this thread. They can be taken back from it though it may be busy, and so say nothing:
 *
 * | | owner | worker |
 * |---|---|---|
 * | 1 | says that they are to be given back | says that it begins one |
 * | 2 | hears all that was said before that | hears all that was said before that |
 * | 3 | those that were not begun, as far as it knows, are its again | unless it is to be given back, runs it |
 *
 * What one says the system has before it hears, so if the owner does not hear that a task begins, the worker hears that it is not to. If both hear, the worker gives it back and says so. That is done with what lies behind a task
 * which takes longer than those before it, and when one of higher priority comes. Where a runtime does not tell when all was heard, workers have one task at a time.
 *
 * *Apart.* Arguments and results with shared objects in them go through a pipe, which sees to it that these are held. Such a task is given to a worker that has none.
 *
 * @module
 */
import type { Port } from "./adapter.ts";
import { startClock } from "./clock.ts";
import { decode, encode, HANDLE } from "./codec.ts";
import { type Home, SEND_ENCODED } from "./home.ts";
import { performance, queueMicrotask } from "./host.ts";
import type { Seats } from "./pool_memory.ts";
import type { PipeOrders } from "./pool_pipe_worker.ts";
import { address, argumentsOf, FAILED, FLAG_CARGO, headOf, messageOf, setFlag } from "./pool_record.ts";
import type { Listener, Route } from "./pool_shared.ts";
import { SENT, type Task, WAITING } from "./pool_task.ts";
import type { WorkerRules } from "./pool_worker.ts";
import * as W from "./pool_words.ts";
import { type Connection, makePipe } from "./pipe.ts";
import { ownTask, type TargetSpec, type TaskReference } from "./target.ts";
import { throwAside } from "./throw_aside.ts";

/** How often to look whether results are still to come, and whether tasks wait behind one that takes long. */
const LOOK_MS = 100, LOOK_AHEAD_MS = 5;
/** A worker is given more as long as what it has in hand is less work than that, in microseconds, and as many tasks, and bytes of them. */
const AHEAD_MICROS = 1000, MOST_AHEAD = 128, AHEAD_BYTES = 65_536;
/** So much work is a task of a function that nobody has called yet. */
const UNKNOWN_MICROS = 1e9;

/** Numbers of tasks, which begin anew after this. */
const LARGEST = 2 ** 31 - 1;

/** A task that a worker was given. */
interface Held {
  readonly task: Task;
  /** Its number as long as it is there. */
  readonly which: number;
  /** Whether its arguments go through the pipe: then it stays where it is. */
  readonly isApart: boolean;
  /** Whether it said that it begins. */
  hasBegun: boolean;
  /** Whether it is to be given back. */
  isRecalled: boolean;
  /** Whether it was given up. */
  isOver: boolean;
}

/** A worker's seat. */
interface Seat {
  readonly number: number;
  readonly connection: Connection;
  readonly maxTasks: number;
  /** Functions that it knows. */
  readonly known: Set<number>;
  port: Port | null;
  isReady: boolean;
  /** Whether it can have tasks in hand that it has not begun. */
  isAttentive: boolean;
  /** Whether it takes no more tasks. */
  isRetired: boolean;
  /** What it runs, or is to begin as the next thing that it does; then what it has in hand, in order. */
  hand: Held[];
  /** Whether it imports a module first. */
  isImporting: boolean;
  /** When it began. */
  since: number;
  memory: number;
  tasks: number;
  /** Settles when what came with values that are apart, and behind them, is heard; null: nothing came so. */
  late: Promise<void> | null;
}

/** See above. */
export class PipeRoute implements Route, Seats {
  readonly worker: TaskReference = ownTask("pipe worker");
  readonly seats: Seats = this;
  readonly isDry = false;
  readonly #home: Home;
  readonly #listener: Listener;
  readonly #seats = new Map<number, Seat>();
  readonly #functions: TargetSpec[] = [];
  /** Number of the task that was given last. */
  #last = 0;
  /** Tasks that no worker has in hand. */
  #waiting: Task[] = [];
  /** How long a call takes, in microseconds, by the number of its function; as far as that is known. */
  readonly #micros: number[] = [];
  #clock: { stop(): void } | null = null;
  #looksOften = false;
  #willDeal = false;

  constructor(home: Home, listener: Listener) {
    this.#home = home;
    this.#listener = listener;
  }

  describe(id: number, spec: TargetSpec): void {
    this.#functions[id] = spec;
  }

  seat(rules: WorkerRules): { seat: number; orders: PipeOrders; onWords(bytes: Uint8Array): void } {
    const [connection, theirs] = makePipe(this.#home);
    let number = 0;
    while (this.#seats.has(number)) number++;
    const seat: Seat = {
      number,
      connection,
      maxTasks: rules.maxTasks || Infinity,
      known: new Set(),
      port: null,
      isReady: false,
      isAttentive: false,
      isRetired: false,
      hand: [],
      isImporting: false,
      since: 0,
      memory: 0,
      tasks: 0,
      late: null,
    };
    this.#seats.set(number, seat);
    return { seat: number, orders: { rules, connection: theirs }, onWords: (bytes) => this.#hear(seat, bytes) };
  }

  seated(number: number, port: Port | null): void {
    this.#seats.get(number)!.port = port;
  }

  get room(): number {
    let room = -this.#waiting.length;
    for (const seat of this.#seats.values()) room += this.#roomOf(seat);
    return room;
  }

  send(tasks: readonly Task[]): void {
    for (const task of tasks) {
      task.state = SENT;
      task.entry = -1;
    }
    this.#waiting.push(...tasks);
    this.#dealSoon();
  }

  revoke(task: Task): boolean {
    const i = this.#waiting.indexOf(task);
    if (i >= 0) this.#waiting.splice(i, 1);
    return i >= 0;
  }

  runnerOf(task: Task): number {
    return this.runs(task.entry, task) ? task.entry : -1;
  }

  ranFor(seat: number): number {
    const { since } = this.#seats.get(seat) ?? {};
    return since === undefined ? 0 : performance.now() - since;
  }

  beganAt(seat: number): number {
    return this.#seats.get(seat)?.since ?? 0;
  }

  isImporting(seat: number): boolean {
    return this.#seats.get(seat)?.isImporting === true;
  }

  drop(task: Task): void {
    const seat = this.#seats.get(task.entry);
    const held = seat?.hand.find(isOf(task));
    if (held !== undefined) this.#say(seat, W.CANCEL, [held.which]);
  }

  cancel(_seat: number, task: Task): void {
    this.drop(task);
  }

  retire(number: number): void {
    const seat = this.#seats.get(number);
    if (seat === undefined) return;
    seat.isRetired = true;
    this.#say(seat, W.RETIRE);
  }

  isBusy(seat: number): boolean {
    return (this.#seats.get(seat)?.hand.length ?? 0) > 0;
  }

  runs(seat: number, task: Task): boolean {
    const held = this.#seats.get(seat)?.hand[0];
    return held !== undefined && isOf(task)(held);
  }

  memoryOf(seat: number): number {
    return this.#seats.get(seat)?.memory ?? 0;
  }

  tasksOf(seat: number): number {
    return this.#seats.get(seat)?.tasks ?? 0;
  }

  drain(): void {}

  arrived(): void {}

  async bury(number: number): Promise<Task[]> {
    const seat = this.#seats.get(number);
    if (seat === undefined) return [];
    await heard(seat);
    this.#seats.delete(number);
    seat.connection.close();
    const left = seat.hand.filter(({ isOver }) => !isOver);
    this.#waiting.unshift(...left.flatMap(({ hasBegun, task }) => hasBegun ? [] : task));
    return left.flatMap(({ hasBegun, task }) => hasBegun ? task : []);
  }

  takeBack(): Task[] {
    for (const seat of this.#seats.values()) void this.#recall(seat);
    return this.#toWait(this.#waiting.splice(0));
  }

  sent(): Task[] {
    const held = [...this.#seats.values()].flatMap(({ hand }) => hand);
    return [...this.#waiting, ...held.flatMap(({ isOver, task }) => isOver ? [] : task)];
  }

  release(task: Task): void {
    const held = this.#seats.get(task.entry)?.hand.find(isOf(task));
    if (held !== undefined) held.isOver = true;
    else this.revoke(task);
  }

  listen(): void {
    if (this.#listener.isAwaiting) this.#stayAlive();
  }

  finish(): void {
    for (const seat of this.#seats.values()) this.#say(seat, W.RETIRE);
  }

  close(): void {
    this.#clock?.stop();
    for (const { connection } of this.#seats.values()) connection.close();
  }

  /** Keeps the program alive as long as results are to come: nothing else does. And looks whether tasks wait behind one that takes long. */
  #stayAlive(): void {
    let hasSome = false;
    for (const seat of this.#seats.values()) hasSome ||= hasAhead(seat);
    if (this.#clock !== null && (this.#looksOften || !hasSome)) return;
    this.#clock?.stop();
    this.#looksOften = hasSome;
    this.#clock = startClock(hasSome ? LOOK_AHEAD_MS : LOOK_MS, () => {
      this.#clock = null;
      for (const seat of this.#seats.values()) if (hasAhead(seat) && isLong(seat)) void this.#recall(seat);
      if (this.#listener.isAwaiting) this.#stayAlive();
    });
  }

  /** How many tasks more a worker can be given, if they take little time. */
  #roomOf(seat: Seat): number {
    const { isReady, isRetired, isAttentive, hand, tasks, maxTasks } = seat;
    if (!isReady || isRetired || hand.length > 0 && (hand.at(-1)!.isRecalled || isLong(seat))) return 0;
    const most = Math.min(isAttentive ? MOST_AHEAD : 1, maxTasks - tasks);
    // Not one by one: a message costs more than a small task.
    return hand.length * 2 > most || this.#load(seat).work >= AHEAD_MICROS ? 0 : most - hand.length;
  }

  /** What a worker has in hand. */
  #load({ hand }: Seat): { work: number; bytes: number } {
    let work = 0, bytes = 0;
    for (const { task } of hand) {
      work += this.#workOf(task);
      bytes += task.length;
    }
    return { work, bytes };
  }

  #workOf({ fn, weight }: Task): number {
    return (this.#micros[fn] ?? UNKNOWN_MICROS) * weight;
  }

  /** Once this turn is over: what comes in it goes together. */
  #dealSoon(): void {
    if (this.#willDeal) return;
    this.#willDeal = true;
    queueMicrotask(() => {
      this.#willDeal = false;
      this.#deal();
    });
  }

  /** Gives workers what they have room for, those first that have least. */
  #deal(): void {
    const unsendable: [Task, unknown][] = [];
    const open = [...this.#seats.values()].filter((seat) => this.#roomOf(seat) > 0).sort((a, b) => a.hand.length - b.hand.length);
    for (let i = 0; i < open.length && this.#waiting.length > 0; i++) {
      const share = Math.ceil(this.#waiting.length / (open.length - i)), isIdle = open[i].hand.length === 0;
      const count = this.#fitting(open[i], Math.min(share, this.#roomOf(open[i])));
      if (count > 0) this.#give(open[i], this.#waiting.splice(0, count), unsendable);
      else if (!isIdle) break; // the next one needs a worker that has nothing to do
    }
    if (this.#listener.isAwaiting) this.#stayAlive();
    // When all others have their place: who hears of it may end the pool.
    if (unsendable.length > 0) this.#deal();
    for (const [task, error] of unsendable) this.#listener.result(task, FAILED, 0, error);
  }

  /** How many of those that wait a worker is given, up to `most`. */
  #fitting(seat: Seat, most: number): number {
    let { work, bytes } = this.#load(seat);
    for (let count = 0; count < most; count++) {
      const task = this.#waiting[count], isFirst = seat.hand.length + count === 0;
      bytes += task.length;
      if (!isFirst && (isAlone(task) || work >= AHEAD_MICROS || bytes > AHEAD_BYTES)) return count;
      // Its arguments are a message of their own.
      if (task.shared.length > 0) return 1;
      work += this.#workOf(task);
    }
    return most;
  }

  #give(seat: Seat, tasks: readonly Task[], unsendable: [Task, unknown][]): void {
    const { hand, known } = seat;
    try {
      for (const task of tasks) {
        // Throws if one was closed meanwhile: before anything is said.
        for (const object of task.shared) object[HANDLE]();
        task.entry = seat.number;
        task.generation = this.#last = this.#last % LARGEST + 1;
        address(task, task.generation, 0, task.attempt);
        if (task.shared.length > 0) setFlag(task, FLAG_CARGO);
        if (known.has(task.fn)) continue;
        known.add(task.fn);
        this.#say(seat, W.LEARN, [task.fn], encode(this.#functions[task.fn], { path: "function" }));
      }
      const [first] = tasks, isApart = first.shared.length > 0;
      const message = messageOf(isApart ? [headOf(first)] : tasks, []);
      seat.port!.post(W.writeWords(W.TASKS, 0, [], message));
      if (isApart) {
        seat.connection[SEND_ENCODED](argumentsOf(first, first.shared)).catch((error) => {
          // The worker may be gone; or else it waits for what cannot be sent.
          if (!seat.connection.closed && this.runs(seat.number, first)) this.#giveUp(seat, first, error);
        });
      }
    } catch (error) {
      for (const task of tasks) unsendable.push([task, error]);
      return;
    }
    if (hand.length === 0) this.#begins(seat);
    for (const task of tasks) {
      hand.push({ task, which: task.generation, isApart: task.shared.length > 0, hasBegun: false, isRecalled: false, isOver: false });
    }
  }

  /** The worker may be gone: then `bury` tells what becomes of its tasks. */
  #say(seat: Seat | undefined, what: number, numbers: readonly number[] = [], payload?: Parameters<typeof W.writeWords>[3]): void {
    seat?.port?.post(W.writeWords(what, 0, numbers, payload));
  }

  /** Takes back what a worker has in hand and has not begun: see above. */
  async #recall(seat: Seat): Promise<void> {
    const { port, hand } = seat;
    if (!hasAhead(seat)) return;
    const recalled = new Set(hand.filter(({ hasBegun, isApart, isRecalled }) => !hasBegun && !isApart && !isRecalled));
    for (const held of recalled) held.isRecalled = true;
    this.#say(seat, W.RECALL);
    await port!.flushed();
    await port!.caughtUp!();
    await heard(seat);
    // Or it has ended, and they are taken care of.
    if (this.#seats.get(seat.number) === seat) this.#takeFrom(seat, (held) => recalled.has(held) && !held.hasBegun);
  }

  /** Some are not on their way any more. @return They, in order. */
  #toWait(tasks: Task[]): Task[] {
    for (const task of tasks) task.state = WAITING;
    return tasks.sort((a, b) => a.id - b.id);
  }

  /** A worker has some no more. */
  #takeFrom(seat: Seat, isIt: (held: Held) => boolean): void {
    const taken = seat.hand.filter(isIt);
    if (taken.length === 0) return;
    seat.hand = seat.hand.filter((held) => !isIt(held));
    const left = taken.flatMap(({ isOver, task }) => isOver ? [] : task);
    // They come before those that wait, of which none is to go meanwhile.
    this.#listener.returned(left.length === 0 ? [] : this.#toWait([...left, ...this.#waiting.splice(0)]));
  }

  /** Hears a worker. What comes behind a value that is apart waits for that. */
  #hear(seat: Seat, bytes: Uint8Array): void {
    if (this.#seats.get(seat.number) !== seat) return;
    const words = W.readWords(bytes), isApart = (words.flags & W.APART) !== 0;
    const value = () => decode(bytes, W.PAYLOAD_AT);
    if (seat.late === null && !isApart) this.#take(seat, words, value);
    else {
      const late = seat.late = this.#takeLate(seat, words, isApart ? null : value, seat.late);
      void late.then(() => {
        if (seat.late === late) seat.late = null;
      });
    }
  }

  /** @param value Null: it is the next that comes through the pipe. */
  async #takeLate(seat: Seat, words: W.Words, value: (() => unknown) | null, before: Promise<void> | null): Promise<void> {
    await before;
    value ??= await seat.connection.recv().then((value) => () => value, throws);
    try {
      this.#take(seat, words, value);
    } catch (error) {
      throwAside(error);
    }
  }

  /** @param value Gives what comes with the words, or throws what keeps it from being read. */
  #take(seat: Seat, words: W.Words, value: () => unknown): void {
    const { what, flags, which } = words, listener = this.#listener;
    const is = (held: Held) => held.which === which;
    const held = seat.hand.find(is);
    switch (what) {
      case W.READY:
        seat.isReady = true;
        seat.isAttentive = (flags & W.ATTENTIVE) !== 0 && seat.port!.caughtUp !== null;
        listener.ready(seat.number);
        break;
      case W.UNFIT:
        listener.failed(seat.number, read(value)[1]);
        break;
      case W.BEGUN:
        if ((flags & W.AWAITED) !== 0) this.#say(seat, W.GO);
        if (held !== undefined) this.#began(seat, held, flags);
        break;
      case W.PROGRESS:
        if (held !== undefined && !held.isOver) {
          try {
            listener.progress(held.task, value());
          } catch (error) {
            throwAside(error); // of the class of something that a task tells of itself
          }
        }
        break;
      case W.RETURNED: {
        const wasNext = held !== undefined && held === seat.hand[0];
        this.#takeFrom(seat, is);
        if (wasNext) this.#begins(seat); // or else it is at another
        listener.ready(seat.number);
        break;
      }
      case W.RESULT:
        this.#result(seat, words, held, value);
    }
    if (this.#waiting.length > 0) this.#dealSoon();
    if (listener.isAwaiting) return;
    // Waiting keeps the program alive.
    this.#clock?.stop();
    this.#clock = null;
  }

  #result(seat: Seat, { flags, status, micros, kib, next }: W.Words, held: Held | undefined, value: () => unknown): void {
    const listener = this.#listener;
    if (held !== undefined) seat.hand.splice(seat.hand.indexOf(held), 1);
    seat.tasks++;
    seat.memory = kib * 1024;
    if (held !== undefined) this.#took(held.task, micros);
    this.#begins(seat);
    const begun = seat.hand.find(({ which }) => which === next);
    if (begun !== undefined) this.#began(seat, begun, flags);
    if ((flags & W.LAST) !== 0) {
      seat.isRetired = true;
      this.#takeFrom(seat, () => true); // it begins none of them
    }
    if (held === undefined || held.isOver) return listener.ready(seat.number);
    const [isRead, result] = read(value);
    listener.result(held.task, isRead ? status : FAILED, micros, result);
  }

  #took({ fn, weight }: Task, micros: number): void {
    const each = micros / weight, before = this.#micros[fn] ?? each;
    this.#micros[fn] = before + (each - before) / 8;
  }

  /** A worker is about to begin what it has next. */
  #begins(seat: Seat): void {
    seat.isImporting = false;
    seat.since = performance.now();
  }

  /** It says so before it imports something, and once it has. */
  #began(seat: Seat, held: Held, flags: number): void {
    seat.isImporting = (flags & W.IMPORTING) !== 0;
    seat.since = performance.now();
    if (held.hasBegun) return;
    held.hasBegun = true;
    // In the order in which it begins them.
    seat.hand = [held, ...seat.hand.filter((other) => other !== held)];
    if (held.isOver) this.#listener.overtaken(held.task);
  }

  /** Arguments that a worker waits for cannot be sent: the task fails with that, and another worker takes its place. */
  #giveUp(seat: Seat, task: Task, error: unknown): void {
    seat.isRetired = true;
    this.#listener.discard(seat.number);
    if (task.state === SENT) this.#listener.result(task, FAILED, 0, error);
  }
}

/** Resolves when what waits for values that are apart is heard. */
async function heard(seat: Seat): Promise<void> {
  while (seat.late !== null) await seat.late;
}

function isOf(task: Task): (held: Held) => boolean {
  return ({ which }) => which === task.generation;
}

/** Whether it has more in hand than it is at. */
function hasAhead({ hand }: Seat): boolean {
  return hand.length > 1 && !hand.at(-1)!.isRecalled;
}

/** Whether what it is at takes longer than what others may wait behind. */
function isLong({ since }: Seat): boolean {
  return performance.now() - since > LOOK_AHEAD_MS;
}

/** Whether a task is given to a worker that has no other: it comes in two parts, or it must be known at any time whether it was begun. */
function isAlone({ shared, job }: Task): boolean {
  return shared.length > 0 || job.isFuture === true || job.options.queueTimeout !== undefined;
}

/** A value; or else why it cannot be read. */
function read(value: () => unknown): [isRead: boolean, value: unknown] {
  try {
    return [true, value()];
  } catch (error) {
    return [false, error];
  }
}

function throws(error: unknown): () => never {
  return () => {
    throw error;
  };
}
