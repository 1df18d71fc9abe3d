/**
 * The library's log, as Python's `multiprocessing.get_logger()`, and its diagnostics channels.
 *
 * @module
 */
import { LIBRARY, registerClass } from "./codec.ts";
import { checkArgument, FUNCTION, shown } from "./options.ts";
import { throwAside } from "./throw_aside.ts";

/** Python's levels, and the library's two between them. */
export const LEVELS = { NOTSET: 0, SUBDEBUG: 5, DEBUG: 10, INFO: 20, SUBWARNING: 25, WARNING: 30, ERROR: 40, CRITICAL: 50 } as const;
/** Name of a level. */
export type LevelName = keyof typeof LEVELS;
/** What receives the lines that pass the level. */
export type LogHandler = (line: string, record: LogRecord) => void;

/** One event. */
export interface LogRecord {
  /** How grave it is, by Python's numbers: 10 is `DEBUG`, 50 `CRITICAL`. */
  readonly level: number;
  /** Name of the level; `Level 7` where it has none. */
  readonly levelName: string;
  /** Name of the process that it happened in. */
  readonly processName: string;
  /** What happened. */
  readonly message: string;
}

/** The library's logger. As long as it has no handler, warnings and what is graver go to standard error, and nothing else does. */
export class Logger {
  /** The same as in Python. */
  readonly name = "multiprocessing";
  #level = 0;
  readonly #handlers = new Set<LogHandler>();

  /** The least level that is written; while it is 0, `NOTSET`, that is `WARNING`. */
  get level(): number {
    return this.#level;
  }

  /**
   * Sets the least level that is written.
   *
   * @throws {RangeError} There is no such level.
   */
  setLevel(level: LevelName | number): void {
    this.#level = levelOf(level);
  }

  /** Hands every later event that passes the level to `handler` too; once, however often it is added. @throws {TypeError} It is no function. */
  addHandler(handler: LogHandler): void {
    checkArgument("handler", handler, FUNCTION, "add a handler");
    this.#handlers.add(handler);
  }

  /** Takes a handler away again, if it is there. */
  removeHandler(handler: LogHandler): void {
    this.#handlers.delete(handler);
  }

  /** Whether anybody would see an event of that level. @throws {RangeError} There is no such level. */
  isEnabledFor(level: LevelName | number): boolean {
    // As in Python, a level that was not set is that of the root logger, and what is as grave needs no handler.
    const { WARNING } = LEVELS, least = this.#level || WARNING;
    return levelOf(level) >= (this.#handlers.size > 0 ? least : Math.max(least, WARNING));
  }

  /** Writes a message at that level. @throws {RangeError} There is no such level. */
  log(level: LevelName | number, message: string): void {
    if (!this.isEnabledFor(level)) return;
    if (this.#handlers.size === 0) return complain(message);
    const number = levelOf(level);
    const levelName = Object.entries(LEVELS).find(([, value]) => value === number)?.[0] ?? `Level ${number}`;
    const record = { level: number, levelName, processName: processName(), message };
    for (const handler of [...this.#handlers]) {
      try {
        handler(`[${levelName}/${record.processName}] ${message}`, record);
      } catch (error) {
        throwAside(error); // whoever logs goes on
      }
    }
  }

  /** Writes at level `DEBUG`, 10. */
  debug(message: string): void {
    this.log("DEBUG", message);
  }

  /** Writes at level `INFO`, 20. */
  info(message: string): void {
    this.log("INFO", message);
  }

  /** Writes at level `WARNING`, 30. */
  warning(message: string): void {
    this.log("WARNING", message);
  }

  /** Writes at level `ERROR`, 40. */
  error(message: string): void {
    this.log("ERROR", message);
  }

  /** Writes at level `CRITICAL`, 50. */
  critical(message: string): void {
    this.log("CRITICAL", message);
  }

  static {
    // Where it arrives it is the logger there, as in Python.
    registerClass(LIBRARY, Logger, { encode: () => null, decode: getLogger });
  }
}

const logger = new Logger();
let processName = () => "MainProcess";
let publish: (channel: string, message: unknown) => void = () => {};
let complain: (line: string) => void = () => {};
let isToStderr = false;

/** The library's logger. Python: `multiprocessing.get_logger()`. */
export function getLogger(): Logger {
  return logger;
}

/**
 * Writes the log to standard error, here and in children started from now on. Python: `multiprocessing.log_to_stderr()`.
 *
 * @param level The least level that is written; unchanged if it is not given, and by default `WARNING`. The library's own events have level `INFO`.
 */
export function logToStderr(level?: LevelName | number): Logger {
  if (level !== undefined) logger.setLevel(level);
  if (!isToStderr) {
    isToStderr = true;
    logger.addHandler((line) => complain(line));
  }
  return logger;
}

/** What a child inherits of the log: its level, and whether it goes to standard error. Handlers are functions, and stay here. */
export interface LogInheritance {
  readonly level: number;
  readonly isToStderr: boolean;
}

/** For a child. */
export function logInheritance(): LogInheritance {
  return { level: logger.level, isToStderr };
}

/** In a child. */
export function inheritLog(from: LogInheritance): void {
  logger.setLevel(from.level);
  if (from.isToStderr) logToStderr();
}

/** Connects the log with the runtime. */
export function startLog(
  with_: { complain(line: string): void; publish(channel: string, message: unknown): void; processName(): string },
): void {
  complain = with_.complain;
  publish = with_.publish;
  processName = with_.processName;
}

/** Tells of an event of the library: to the log at level INFO, and on the channel `polyproc:<event>`. */
export function tell(event: string, details: Record<string, unknown>): void {
  publish(`polyproc:${event}`, details);
  note(event, details);
}

/** Tells the log alone: channels take milliseconds to load, which every child would spend on saying that it runs. */
export function note(event: string, details: Record<string, unknown>): void {
  if (logger.isEnabledFor("INFO")) {
    logger.info(`${event} ${Object.entries(details).map(([key, value]) => `${key}=${String(value)}`).join(" ")}`);
  }
}

function levelOf(level: LevelName | number): number {
  const number = typeof level === "number" ? level : LEVELS[level];
  if (!(number >= 0)) {
    throw new RangeError(`Cannot use ${shown(level)} as a level: it must be a number, or one of ${Object.keys(LEVELS).join(", ")}`);
  }
  return number;
}
