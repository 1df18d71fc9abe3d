/**
 * Locks that survive their owner. A lock is owned by a participant: a process, a thread or an inline task.
 *
 * | owner's word | | next |
 * |---|---|---|
 * | 0 | free | ident, by whoever takes it |
 * | ident | held by that participant | 0, by whoever releases it; −1, by whoever buries its dead owner |
 * | −1 | free; its last owner died with it | ident, by whoever takes it, and is told |
 *
 * One step changes the owner, and only from what was seen, so two never have it. Who releases stores 0, then looks for those who wait; who waits registers, then looks at the word: one of them sees the other. Nobody
 * is rung by a dead owner: its burial makes everybody look, and who waits looks at the owner's pulse every half second.
 *
 * @module
 */
import { Acquirable, Guard } from "./acquirable.ts";
import { HANDLE, type Handle, registerHandle } from "./codec.ts";
import { ProcessError } from "./errors.ts";
import { defaultHome, type Home } from "./home.ts";
import * as L from "./layout.ts";
import { PENDING } from "./attempt.ts";
import { type Participant, registerKind } from "./participant.ts";
import { Place } from "./place.ts";
import { printAs } from "./printed.ts";
import { unregister } from "./wait_set.ts";

/** Codec numbers. */
const LOCK = 5, RLOCK = 6;
const ABANDONED = -1;

/** What was let go of for a while, and is taken back as it was. */
export interface SetAside {
  readonly depth: number;
  readonly guards: Guard[];
}

/**
 * What a participant knows of a lock while it has it, through whatever objects: the guards that it was given for that, the innermost last. Not in shared memory: where anybody may release, whoever took it could still be
 * writing when it is another's.
 */
interface Hold {
  guards: Guard[];
}

type Holds = Map<number, WeakRef<Hold>>;

const HOLDS = new WeakMap<Participant, Holds>();
const COLLECTED = new FinalizationRegistry<{ holds: Holds; offset: number }>(({ holds, offset }) => {
  if (holds.get(offset)?.deref() === undefined) holds.delete(offset);
});

function holdOf({ me, block }: Place): Hold {
  let holds = HOLDS.get(me);
  if (holds === undefined) HOLDS.set(me, holds = new Map());
  let hold = holds.get(block.offset)?.deref();
  if (hold === undefined) {
    holds.set(block.offset, new WeakRef(hold = { guards: [] }));
    COLLECTED.register(hold, { holds, offset: block.offset });
  }
  return hold;
}

/** For those who wait with a lock in hand: conditions. @internal */
export const INSIDE: unique symbol = Symbol("inside");

/** What a condition does with its lock. */
export interface LockInside {
  readonly home: Home;
  /** Whether this participant holds it. */
  isMine(): boolean;
  /** Lets go of it, however often it was taken. */
  setAside(): SetAside;
  /** Takes it again. */
  takeBack(what: SetAside): Promise<void>;
  takeBackSync(what: SetAside): void;
}

/** What both kinds of locks have in common. */
abstract class AnyLock extends Acquirable {
  /** @internal */
  protected readonly hold: Hold;

  protected constructor(home: Home | Place) {
    super(
      home instanceof Place ? home : Place.make(home, { what: "the lock", kind: L.KIND_LOCK, words: L.LOCK_WORDS }),
      L.LOCK_WAITERS,
      L.LOCK_TURN,
    );
    this.hold = holdOf(this.place);
  }

  /** Whether anybody holds it now. */
  locked(): boolean {
    this.place.check("look at");
    const { owner } = this;
    return owner > 0 && this.place.me.parker.isAlive(owner);
  }

  static {
    printAs(this.prototype, (lock) => lock.place.looks(() => lock.locked() ? "locked" : "unlocked"));
  }

  /** For conditions. @internal */
  get [INSIDE](): LockInside {
    const { words, at, me } = this.place;
    const restore = ({ depth, guards }: SetAside, isAbandoned: boolean) => {
      words[at + L.LOCK_DEPTH] = depth;
      this.hold.guards = guards;
      // It is told as whoever takes it anew would be.
      for (const guard of isAbandoned ? guards : []) (guard as { abandoned: boolean }).abandoned = true;
    };
    return {
      home: this.place.home,
      isMine: () => {
        this.place.check("use");
        return this.owner === me.ident;
      },
      setAside: () => {
        const aside = { depth: words[at + L.LOCK_DEPTH], guards: this.hold.guards };
        this.hold.guards = [];
        this.letGo(me.ident);
        return aside;
      },
      takeBack: (aside) => {
        this.place.check("take back");
        return this.takeLater(undefined).then((isAbandoned) => restore(aside, isAbandoned));
      },
      takeBackSync: (aside) => {
        restore(aside, this.takeSync(undefined));
      },
    };
  }

  /** What the word says now. */
  protected get owner(): number {
    return Atomics.load(this.place.words, this.place.at + L.LOCK_OWNER);
  }

  /** Whether it could be taken now. @internal */
  protected get isFree(): boolean {
    return this.owner <= 0;
  }

  /** Takes it if it is to be had. @internal */
  protected take(lookHard: boolean): boolean | typeof PENDING {
    const { words, at, me } = this.place;
    const { parker, ident } = me;
    parker.begin();
    let owner = Atomics.compareExchange(words, at + L.LOCK_OWNER, 0, ident);
    if (owner > 0 && lookHard && !parker.isAlive(owner)) {
      me.bury(owner);
      owner = Atomics.compareExchange(words, at + L.LOCK_OWNER, 0, ident);
    }
    const isAbandoned = owner === ABANDONED && Atomics.compareExchange(words, at + L.LOCK_OWNER, ABANDONED, ident) === ABANDONED;
    const isTaken = owner === 0 || isAbandoned;
    if (isTaken) {
      words[at + L.LOCK_TURN]++;
      words[at + L.LOCK_DEPTH] = 1;
      // To set a length, be it the same, has the engine make room anew.
      const { guards } = this.hold;
      if (guards.length > 0) guards.length = 0;
    }
    parker.end();
    return isTaken ? isAbandoned : PENDING;
  }

  /** @internal */
  protected give(guard: Guard): Guard {
    this.hold.guards.push(guard);
    return guard;
  }

  /** Makes it free if `owner` holds it. False if not. */
  protected letGo(owner: number): boolean {
    const { words, at, me } = this.place;
    me.parker.begin();
    const isFree = Atomics.compareExchange(words, at + L.LOCK_OWNER, owner, 0) === owner;
    if (isFree) {
      if (owner === me.ident) this.hold.guards.pop();
      this.wake();
    }
    me.parker.end();
    return isFree;
  }
}

/**
 * A lock: one participant has it at a time. Asynchronous functions of one process exclude each other through it as processes do. If its owner dies, the next one has it, and is told.
 *
 * @example
 * ```ts
 * import { Lock } from "@polyproc/multiprocessing";
 *
 * const lock = new Lock();
 * const guard = await lock.acquire();
 * console.log(lock.locked(), lock.tryAcquire()); // true null
 * guard.release();
 * ```
 */
export class Lock extends AnyLock {
  /**
   * Makes a lock, which is free.
   *
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(home: Home | Place = defaultHome()) {
    super(home);
  }

  /** Lets go of it. Anybody may, as in Python. @throws {ProcessError} Nobody holds it. */
  release(): void {
    const { place } = this;
    place.check("release");
    if (this.letGo(place.me.ident)) return;
    for (;;) {
      const { owner } = this;
      if (owner <= 0) throw new ProcessError("Cannot release the lock: nobody holds it");
      if (this.letGo(owner)) return;
    }
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: LOCK, words: this.place.handle() };
  }

  /** Whether it may be taken again. @internal */
  protected get isOwn(): boolean {
    return false;
  }

  /** What lets go of it. @internal */
  protected guardOf(abandoned: boolean): Guard {
    return this.give(new Guard(abandoned, this.#release));
  }

  readonly #release = (guard: Guard): void => {
    const { place, hold: { guards } } = this;
    place.evenIfClosed(() => {
      // Released without its guard, it may be another's by now.
      if (guards[guards.length - 1] === guard) this.letGo(place.me.ident);
    });
  };
}

/** A lock that its owner may take several times, and must release as often. All asynchronous functions of one process are one owner: use a {@linkcode Lock} between them. */
export class RLock extends AnyLock {
  /**
   * Makes a lock, which is free.
   *
   * @param home The memory to make it in, by default that of the default context. A context's own classes give theirs.
   * @throws {UnsupportedError} No memory is shared there.
   */
  constructor(home: Home | Place = defaultHome()) {
    super(home);
  }

  /** Undoes one `acquire`; the last lets go of it. @throws {ProcessError} This process does not hold it. */
  release(): void {
    this.place.check("release");
    if (!this.isOwn) {
      throw new ProcessError("Cannot release the lock: this process does not hold it, and only its owner may release an RLock");
    }
    this.#releaseOnce();
  }

  #releaseOnce(): void {
    const { words, at, me } = this.place;
    if (words[at + L.LOCK_DEPTH] === 1) return void this.letGo(me.ident);
    words[at + L.LOCK_DEPTH]--;
    this.hold.guards.pop();
  }

  /** What travels of it. @internal */
  [HANDLE](): Handle {
    return { kind: RLOCK, words: this.place.handle() };
  }

  /** Whether it may be taken again. @internal */
  protected get isOwn(): boolean {
    return this.owner === this.place.me.ident;
  }

  /** Takes it if it is to be had. @internal */
  protected override take(lookHard: boolean): boolean | typeof PENDING {
    if (!this.isOwn) return super.take(lookHard);
    this.place.words[this.place.at + L.LOCK_DEPTH]++;
    return false;
  }

  /** What lets go of it. @internal */
  protected guardOf(abandoned: boolean): Guard {
    return this.give(new Guard(abandoned, this.#release));
  }

  readonly #release = (guard: Guard): void => {
    const { place, hold: { guards } } = this;
    place.evenIfClosed(() => {
      // Released without its guard, it may be another task's by now.
      const i = guards.lastIndexOf(guard);
      if (i < 0 || !this.isOwn) return;
      // Guards may let go in any order; it is the last that goes.
      if (i < guards.length - 1) guards.push(...guards.splice(i, 1));
      this.#releaseOnce();
    });
  };
}

registerHandle(LOCK, (words, context) => new Lock(Place.receive(words, context, "the lock")));
registerHandle(RLOCK, (words, context) => new RLock(Place.receive(words, context, "the lock")));

/** Kind.repair of locks: frees one whose owner died. */
export function repairLock(_me: Participant, words: Int32Array, at: number, dead: number): void {
  Atomics.compareExchange(words, at + L.LOCK_OWNER, dead, ABANDONED);
  unregister(words, at + L.LOCK_WAITERS, dead & L.IDENT_SLOT_MASK);
}

registerKind(L.KIND_LOCK, { repair: repairLock });
