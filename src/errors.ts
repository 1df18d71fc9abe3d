/**
 * Every error class of the library. Names are Python's where Python has the class; `error.name` is always the class's name.
 *
 * @module
 */

/** Base of the errors that concern processes: wrong use of one, a failed start, a lost peer. */
export class ProcessError extends Error {
  static {
    this.prototype.name = "ProcessError";
  }
}

/** `recvBytesInto` was given a buffer smaller than the message; the message, which was consumed, is in {@linkcode BufferTooShort.data}. */
export class BufferTooShort extends ProcessError {
  static {
    this.prototype.name = "BufferTooShort";
  }
  /** The whole message that did not fit. */
  readonly data: Uint8Array;

  /**
   * Makes the error.
   *
   * @param message What happened.
   * @param data The whole message.
   */
  constructor(message: string, data: Uint8Array) {
    super(message);
    this.data = data;
  }
}

/** A handshake between programs failed. */
export class AuthenticationError extends ProcessError {
  static {
    this.prototype.name = "AuthenticationError";
  }
}

/** A function that should run in a child could not be found there; the message says where it was looked for and how to mend it. */
export class TargetError extends ProcessError {
  static {
    this.prototype.name = "TargetError";
  }
}

/** Stands for an error of another process that could not travel as it is, or for something thrown there that is no error and cannot travel. */
export class RemoteError extends ProcessError {
  static {
    this.prototype.name = "RemoteError";
  }
}

/** A worker died while it ran a task. */
export class WorkerDiedError extends ProcessError {
  static {
    this.prototype.name = "WorkerDiedError";
  }
  /** The worker's exit code: −N if signal N killed it. */
  readonly exitcode: number | null;
  /** Id of its process. */
  readonly pid: number | null;
  /** Number of the task. */
  readonly task: number;

  /** Makes the error. */
  constructor(message: string, details: { exitcode: number | null; pid: number | null; task: number; cause?: unknown }) {
    const { exitcode, pid, task, cause } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.exitcode = exitcode;
    this.pid = pid;
    this.task = task;
  }
}

/** What was asked for cannot be had on this runtime, with these permissions, or under this start method; the message names the missing piece and the ways out. */
export class UnsupportedError extends ProcessError {
  static {
    this.prototype.name = "UnsupportedError";
  }
}

/** Somebody died between taking a piece of work and saying that it was done. */
export class AbandonedError extends ProcessError {
  static {
    this.prototype.name = "AbandonedError";
  }
}

/** The time given to a wait is up; nothing was taken. Python's `multiprocessing.TimeoutError`. */
export class TimeoutError extends Error {
  static {
    this.prototype.name = "TimeoutError";
  }
}

/** A result that nobody will compute any more: it was cancelled, or its pool was terminated. */
export class CancelledError extends Error {
  static {
    this.prototype.name = "CancelledError";
  }
}

/** A queue gave nothing in the time allowed. Python's `queue.Empty`. */
export class Empty extends Error {
  static {
    this.prototype.name = "Empty";
  }
}

/** A queue had no room in the time allowed. Python's `queue.Full`. */
export class Full extends Error {
  static {
    this.prototype.name = "Full";
  }
}

/** The queue was shut down. Python's `queue.ShutDown`. */
export class ShutDown extends Error {
  static {
    this.prototype.name = "ShutDown";
  }
}

/** The other end of a pipe is gone, and everything that it sent was read. */
export class EOFError extends Error {
  static {
    this.prototype.name = "EOFError";
  }
}

/** The other end of a pipe is gone, so nobody would read what was sent. */
export class BrokenPipeError extends Error {
  static {
    this.prototype.name = "BrokenPipeError";
  }
}

/** The barrier was aborted or reset, somebody's time was up, or a waiting party died. */
export class BrokenBarrierError extends Error {
  static {
    this.prototype.name = "BrokenBarrierError";
  }
}

/** A value cannot travel to another process; the message names the path to it. */
export class DataCloneError extends Error {
  static {
    this.prototype.name = "DataCloneError";
  }
}
