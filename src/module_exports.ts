/**
 * Finds what a module imports and exports by its text, without running it.
 *
 * Reads JavaScript and TypeScript. It answers where a function may come from, so it prefers not to see a declaration to seeing one
 * that is not there.
 *
 * @module
 */

import { stringValue, type Token, tokens } from "./module_tokens.ts";

/** A declaration at the top level of a module. */
export interface Declaration {
  /** The name in the module; empty for an anonymous default export. */
  name: string;
  /** The `name` that the function has when it runs: `inner` for `const outer = function inner() {}`. */
  called: string;
  /** What declares it; `"value"` is a variable or default export that is not written as a function. */
  kind: "function" | "class" | "value";
  /** Where the declaration starts in the text: at the keyword, or a variable's name. */
  from: number;
  /** Where the function, class or initialiser starts. */
  start: number;
  /** Where it ends. */
  end: number;
  /** Where its body starts: a function that V8 locates between `start` and this is the declared one, a later one is inside it. */
  body: number;
  /** Static methods of a class. */
  statics: { name: string; start: number; end: number; body: number }[];
}

/** A name that a module imports. */
export interface Import {
  /** The name here. */
  local: string;
  /** The name there, `"*"` for a namespace. */
  imported: string;
  /** Where from, as written. */
  specifier: string;
}

/** A name that a module exports. */
export interface Export {
  /** The name for importers, `"*"` for `export * from`. */
  exported: string;
  /** The name here, or in the other module if there is a specifier (`"*"` for the whole of it). */
  local: string;
  /** The module that it is taken from, or null. */
  specifier: string | null;
}

/** What a module's text declares. */
export interface ModuleOutline {
  /** Imports that are not for types only. */
  imports: Import[];
  /** Exports, also those that pass on an import. */
  exports: Export[];
  /** Functions, classes and variables at the top level; those that are not exported, too. */
  declarations: Declaration[];
}

const DECLARES = new Set(["function", "async", "class", "abstract", "const", "let", "var", "enum"]);
const OPERATOR_WORDS = new Set(["in", "of", "instanceof", "as", "satisfies", "extends", "implements"]);
/** After one of these a `{` belongs to a type, not to a body. */
const TYPE_GOES_ON = new Set([":", "|", "&", "=>", "<", ",", "keyof", "readonly", "is", "?"]);

/** One pass over the tokens of a module. */
class Reader {
  readonly #text: string;
  readonly #tokens: Token[];
  #at = 0;
  readonly outline: ModuleOutline = { imports: [], exports: [], declarations: [] };

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokens(text);
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token !== undefined && token.text === text && token.kind !== "string";
  }

  #token(index = this.#at): Token | undefined {
    return this.#tokens[index];
  }

  /** Goes on by one token, or over a whole bracket. */
  #skip(): void {
    const partner = this.#tokens[this.#at]?.partner ?? -1;
    this.#at = partner > this.#at ? partner + 1 : this.#at + 1;
  }

  /** Whether a statement can start at the token, going by the token before and by line breaks. */
  #startsStatement(index: number): boolean {
    const before = this.#tokens[index - 1];
    const here = this.#tokens[index];
    if (before === undefined || before.text === ";" || before.text === "}") return true;
    if (!here.newLine || here.kind !== "word" || OPERATOR_WORDS.has(here.text)) return false;
    return before.kind !== "mark" || before.text === ")" || before.text === "]" || before.text === ">" || before.text === "!";
  }

  read(): ModuleOutline {
    while (this.#at < this.#tokens.length) {
      const token = this.#tokens[this.#at];
      if (token.kind === "word" && this.#startsStatement(this.#at)) {
        const start = this.#at;
        if (token.text === "import") this.#import();
        else if (token.text === "export") this.#export();
        else if (token.text === "declare") this.#skip(), this.#statement();
        else if (DECLARES.has(token.text)) this.#declaration();
        if (this.#at > start) continue;
      }
      this.#skip();
    }
    return this.outline;
  }

  /** To the end of a statement that is of no interest. */
  #statement(): void {
    this.#skip();
    while (this.#at < this.#tokens.length && !this.#startsStatement(this.#at)) this.#skip();
  }

  /** `{ a, b as c, type T, "x" as y }`; leaves the reader behind the brace. */
  #names(): [from: string, to: string][] {
    const out: [string, string][] = [];
    const end = this.#tokens[this.#at].partner;
    if (end < 0) return out;
    const name = (token: Token) => token.kind === "string" ? stringValue(token) : token.text;
    this.#at++;
    while (this.#at < end) {
      let item: Token[] = [];
      while (this.#at < end && !this.#is(",")) item.push(this.#tokens[this.#at++]);
      this.#at++;
      const typeOnly = item.length > 1 && item[0].text === "type" && (item[1].text !== "as" || item.length === 2 || item.length === 4);
      if (typeOnly) item = [];
      if (item.length === 1) out.push([name(item[0]), name(item[0])]);
      else if (item.length === 3 && item[1].text === "as") out.push([name(item[0]), name(item[2])]);
    }
    this.#at = end + 1;
    return out;
  }

  /** `from "x"`, or null. */
  #from(): string | null {
    if (!this.#is("from") || this.#token(this.#at + 1)?.kind !== "string") return null;
    const specifier = stringValue(this.#tokens[this.#at + 1]);
    this.#at += 2;
    return specifier;
  }

  #import(): void {
    if (this.#is("(", 1) || this.#is(".", 1)) return; // an expression
    this.#at++;
    if (this.#token()?.kind === "string") return;
    const found: [imported: string, local: string][] = [];
    const typeOnly = this.#is("type") && !this.#is("from", 1) && !this.#is(",", 1);
    if (typeOnly) this.#at++;
    if (this.#is("defer")) this.#at++;
    if (this.#token()?.kind === "word") {
      found.push(["default", this.#tokens[this.#at++].text]);
      if (this.#is(",")) this.#at++;
    }
    if (this.#is("*") && this.#is("as", 1)) {
      found.push(["*", this.#token(this.#at + 2)?.text ?? ""]);
      this.#at += 3;
    } else if (this.#is("{")) {
      found.push(...this.#names());
    }
    const specifier = this.#from();
    if (specifier === null || typeOnly) return;
    for (const [imported, local] of found) this.outline.imports.push({ imported, local, specifier });
  }

  #export(): void {
    this.#at++;
    const { exports } = this.outline;
    if (this.#is("type") || this.#is("interface") || this.#is("declare") || this.#is("import")) {
      if (this.#is("{", 1)) this.#at++, this.#names(), this.#from();
      return;
    }
    if (this.#is("*")) {
      this.#at++;
      let exported = "*";
      if (this.#is("as")) {
        const token = this.#token(this.#at + 1);
        exported = token === undefined ? "" : token.kind === "string" ? stringValue(token) : token.text;
        this.#at += 2;
      }
      const specifier = this.#from();
      if (specifier !== null) exports.push({ exported, local: "*", specifier });
    } else if (this.#is("{")) {
      const names = this.#names();
      const specifier = this.#from();
      for (const [local, exported] of names) exports.push({ exported, local, specifier });
    } else if (this.#is("default")) {
      this.#at++;
      if (this.#is("function") || this.#is("class") || this.#is("abstract") || (this.#is("async") && this.#is("function", 1))) {
        const before = this.outline.declarations.length;
        this.#declaration();
        for (const { name } of this.outline.declarations.slice(before)) exports.push({ exported: "default", local: name, specifier: null });
      } else if (
        this.#token()?.kind === "word" && (this.#is(";", 1) || this.#at + 1 === this.#tokens.length || this.#token(this.#at + 1)!.newLine)
      ) {
        exports.push({ exported: "default", local: this.#tokens[this.#at++].text, specifier: null });
      } else {
        this.#initialiser("", this.#token(this.#at - 2)!.start);
        exports.push({ exported: "default", local: "", specifier: null });
      }
    } else {
      const before = this.outline.declarations.length;
      this.#declaration();
      for (const { name } of this.outline.declarations.slice(before)) exports.push({ exported: name, local: name, specifier: null });
    }
  }

  #declaration(): void {
    if (this.#is("abstract") || (this.#is("const") && this.#is("enum", 1))) this.#at++;
    if (this.#is("function") || (this.#is("async") && this.#is("function", 1))) this.#function();
    else if (this.#is("class")) this.#class();
    else if (this.#is("const") || this.#is("let") || this.#is("var")) this.#variables();
  }

  /** From the parameters' `(` to the `{` of the body; false if there is none (an overload). */
  #toBody(): boolean {
    while (this.#at < this.#tokens.length && !this.#is("(")) this.#skip();
    this.#skip();
    while (this.#at < this.#tokens.length) {
      if (this.#is("{") && !TYPE_GOES_ON.has(this.#tokens[this.#at - 1].text)) return true;
      if (this.#is(";") || (this.#is("export") && this.#token()!.newLine)) return false;
      this.#skip();
    }
    return false;
  }

  /** Where the declaration at hand starts, with `export` and `default` before it. */
  #statementStart(): number {
    let at = this.#at;
    while (at > 0 && /^(?:export|default|abstract)$/.test(this.#tokens[at - 1].text)) at--;
    return this.#tokens[at].start;
  }

  #function(): void {
    const from = this.#statementStart();
    const start = this.#tokens[this.#at].start;
    this.#at += this.#is("async") ? 2 : 1;
    if (this.#is("*")) this.#at++;
    const name = this.#token()?.kind === "word" ? this.#tokens[this.#at].text : "";
    if (!this.#toBody()) return;
    const body = this.#tokens[this.#at].start;
    this.#skip();
    const called = name === "" ? "default" : name;
    this.outline.declarations.push({ name, called, kind: "function", from, start, end: this.#tokens[this.#at - 1].end, body, statics: [] });
  }

  #class(): void {
    const from = this.#statementStart();
    const start = this.#tokens[this.#at++].start;
    const name = this.#token()?.kind === "word" && !OPERATOR_WORDS.has(this.#tokens[this.#at].text) ? this.#tokens[this.#at].text : "";
    while (this.#at < this.#tokens.length && !(this.#is("{") && !TYPE_GOES_ON.has(this.#tokens[this.#at - 1].text))) this.#skip();
    if (this.#at >= this.#tokens.length) return;
    const body = this.#tokens[this.#at].start;
    const close = this.#tokens[this.#at].partner;
    const statics: Declaration["statics"] = [];
    this.#at++;
    while (close >= 0 && this.#at < close) {
      if (!this.#is("static")) {
        this.#skip();
        continue;
      }
      this.#at++;
      while (this.#is("async") || this.#is("*") || this.#is("override")) this.#at++;
      const method = this.#token()!;
      if (method.kind !== "word" || !(this.#is("(", 1) || this.#is("<", 1)) || !this.#toBody()) continue;
      const head = this.#tokens[this.#at].start;
      this.#skip();
      statics.push({ name: method.text, start: method.start, end: this.#tokens[this.#at - 1].end, body: head });
    }
    if (close >= 0) this.#at = close + 1;
    const called = name === "" ? "default" : name;
    this.outline.declarations.push({ name, called, kind: "class", from, start, end: this.#tokens[this.#at - 1].end, body, statics });
  }

  #variables(): void {
    this.#at++;
    while (this.#at < this.#tokens.length) {
      const token = this.#tokens[this.#at];
      if (token.kind !== "word") { // a pattern: its names are values that could be anything
        const pattern = this.#tokens.slice(this.#at, token.partner + 1);
        for (const part of pattern) {
          if (part.kind === "word") {
            const { start, end } = token;
            this.#value(part.text, start, end);
          }
        }
        this.#skip();
        this.#toEndOfInitialiser();
      } else {
        this.#at++;
        while (this.#at < this.#tokens.length && !this.#is("=")) {
          if (this.#is(";") || this.#is(",") || this.#startsStatement(this.#at)) break;
          this.#skip();
        }
        if (!this.#is("=")) {
          this.#value(token.text, token.start, token.end);
        } else {
          this.#at++;
          this.#initialiser(token.text, token.start);
        }
      }
      if (!this.#is(",")) return;
      this.#at++;
    }
  }

  #value(name: string, start: number, end: number): void {
    this.outline.declarations.push({ name, called: name, kind: "value", from: start, start, end, body: end, statics: [] });
  }

  #toEndOfInitialiser(): void {
    const first = this.#at;
    while (this.#at < this.#tokens.length) {
      if (this.#is(";") || (this.#at > first && this.#token()!.newLine && this.#startsStatement(this.#at))) return;
      if (this.#is(",") && (this.#is("=", 2) || this.#is(":", 2) || this.#is("{", 1) || this.#is("[", 1))) return;
      this.#skip();
    }
  }

  /** What is assigned to a variable, or exported as the default. */
  #initialiser(name: string, from: number): void {
    const first = this.#at;
    if (first >= this.#tokens.length) return;
    const { declarations } = this.outline;
    if (this.#is("class")) {
      this.#class();
      const found = declarations.at(-1)!;
      if (found.called === "default") found.called = name || "default";
      Object.assign(found, { name, from });
      return this.#toEndOfInitialiser();
    }
    this.#toEndOfInitialiser();
    const end = this.#at;
    let body = -1;
    let called = name || "default";
    const start = this.#tokens[first].start;
    this.#at = first;
    if (this.#is("async") && !this.#token(first + 1)?.newLine) this.#at++;
    if (this.#is("function")) {
      const own = this.#token(this.#at + (this.#is("*", 1) ? 2 : 1));
      if (own?.kind === "word") called = own.text;
      if (this.#toBody()) body = this.#tokens[this.#at].start;
    } else if (this.#is("(") || this.#is("<") || this.#is("=>", 1)) {
      while (this.#at < end && !this.#is("=>")) this.#skip();
      if (this.#at < end) body = this.#tokens[this.#at].end;
    }
    this.#at = end;
    const stop = this.#tokens[end - 1]?.end ?? this.#text.length;
    const kind = body < 0 ? "value" : "function";
    declarations.push({ name, called, kind, from, start, end: stop, body: body < 0 ? stop : body, statics: [] });
  }
}

const outlines = new Map<string, ModuleOutline>();

/**
 * What a module imports, exports and declares.
 *
 * @param text The module's text.
 */
export function moduleExports(text: string): ModuleOutline {
  let outline = outlines.get(text);
  if (outline === undefined) {
    outline = new Reader(text).read();
    if (outlines.size > 256) outlines.clear();
    outlines.set(text, outline);
  }
  return outline;
}
