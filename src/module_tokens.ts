/**
 * Cuts JavaScript and TypeScript text into tokens: enough to find declarations and words without being misled by comments,
 * strings, templates and regular expressions. No JSX.
 *
 * A regular expression is told from a division by what stands before it. That needs the kind of the last `)` and `}`, so the open
 * brackets are kept on a stack; a template's `${` is one of them.
 *
 * @module
 */

/** What a token is. A template is given in pieces: its literal parts, and between them the tokens of its expressions. */
export type TokenKind = "word" | "number" | "string" | "template" | "regex" | "mark";

/** One token of a text. */
export interface Token {
  /** What it is. */
  kind: TokenKind;
  /** Its text, quotes included; of a word without escapes. */
  text: string;
  /** Where it starts. */
  start: number;
  /** Where it ends (exclusive). */
  end: number;
  /** Whether it is the first on its line. */
  newLine: boolean;
  /** For an opening bracket, the index of the token that closes it; for any other token −1. */
  partner: number;
}

const BLANK = /(?:\s|\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?(?:\*\/|$)|^#![^\n]*)+/y;
const WORD =
  /[#@]?(?:[\p{ID_Start}$_]|\\u(?:\{[0-9a-fA-F]+\}|[0-9a-fA-F]{4}))(?:[\p{ID_Continue}$\u200c\u200d]|\\u(?:\{[0-9a-fA-F]+\}|[0-9a-fA-F]{4}))*/yu;
/** Words of plain letters, which nearly all are: the pattern above takes milliseconds to compile. */
const PLAIN_WORD = /[#@]?[A-Za-z_$][\w$]*(?![\\\u0080-\uffff])/y;
const NUMBER = /(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?[\d_]+)?)n?/y;
const STRING = /"(?:[^"\\\n\r]|\\[^])*"?|'(?:[^'\\\n\r]|\\[^])*'?/y;
const REGEX = /\/(?:[^\\/[\n\r]|\\.|\[(?:[^\]\\\n\r]|\\.)*\])+\/\w*/y;
const TEMPLATE = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{|$)/y;
const MARK = /=>|\.\.\.|\?\?=|\?\.(?!\d)|\?\?|\*\*=?|&&=?|\|\|=?|<<=|[=!]==?|<=|\+\+|--|[-+*/%&|^]=|[^]/y;

/** Words after which an expression starts, so that a `/` opens a regular expression. */
const BEFORE_EXPRESSION = new Set(
  "return typeof instanceof in of new delete void throw case do else yield await default extends".split(" "),
);
const PAREN_HEADS = new Set(["if", "while", "for", "with"]);
const CLOSER: Record<string, string> = { "(": ")", "[": "]", "{": "}", "${": "}" };

interface Open {
  text: string;
  index: number;
  /** Whether a value stands before what follows the closing bracket (so that `/` divides). */
  value: boolean;
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

/**
 * The tokens of a text, comments left out. Never throws: of a text that is no program, something comes out all the same.
 *
 * @param text The program.
 */
export function tokens(text: string): Token[] {
  const out: Token[] = [];
  const open: Open[] = [];
  let at = 0;
  let newLine = true;
  let value = false; // whether the token before ends a value
  const push = (kind: TokenKind, body: string, valueAfter: boolean) => {
    out.push({ kind, text: body, start: at, end: at + body.length, newLine, partner: -1 });
    at += body.length;
    newLine = false;
    value = valueAfter;
  };
  const template = (quote: string) => {
    const body = quote + match(TEMPLATE, text, at + 1);
    const opens = body.endsWith("${");
    push("template", body, !opens);
    if (opens) open.push({ text: "${", index: out.length - 1, value: true });
  };
  while (at < text.length) {
    const blank = match(BLANK, text, at);
    if (blank !== "") {
      newLine ||= /[\n\r]/.test(blank);
      at += blank.length;
      if (at >= text.length) break;
    }
    const char = text[at];
    const before = out[out.length - 1];
    if (char === '"' || char === "'") {
      push("string", match(STRING, text, at), true);
    } else if (char === "`") {
      template("`");
    } else if ((char >= "0" && char <= "9") || (char === "." && /\d/.test(text[at + 1] ?? ""))) {
      push("number", match(NUMBER, text, at), true);
    } else if (char === "/" && !value && match(REGEX, text, at) !== "") {
      push("regex", match(REGEX, text, at), true);
    } else if (char === "}" && open.at(-1)?.text === "${") {
      out[open.pop()!.index].partner = out.length;
      template("}");
    } else {
      const word = match(PLAIN_WORD, text, at) || (/[#@\w$\\\u0080-\uffff]/.test(char) ? match(WORD, text, at) : "");
      if (word !== "") {
        push("word", word, before?.text === "." || before?.text === "?." || !BEFORE_EXPRESSION.has(word));
        out[out.length - 1].text = unescaped(word); // Bun prints letters beyond ASCII as escapes
        continue;
      }
      const mark = match(MARK, text, at);
      if (mark === "(" || mark === "[" || mark === "{") {
        const statement = mark === "{" && !(before !== undefined && /^(?:[=(,:?[&|]|return|\?\?|&&|\|\||=)$/.test(before.text));
        const head = mark === "(" && before?.kind === "word" && PAREN_HEADS.has(before.text);
        open.push({ text: mark, index: out.length, value: !statement && !head });
        push("mark", mark, false);
      } else if (mark === ")" || mark === "]" || mark === "}") {
        let valueAfter = true;
        if (open.length > 0 && CLOSER[open.at(-1)!.text] === mark) {
          const opener = open.pop()!;
          out[opener.index].partner = out.length;
          valueAfter = opener.value;
        }
        push("mark", mark, valueAfter);
      } else {
        // After a value these are postfix operators (`!` is TypeScript's), and a value still stands there.
        push("mark", mark, value && (mark === "++" || mark === "--" || mark === "!"));
      }
    }
  }
  return out;
}

/** The value of a string token. */
export function stringValue(token: Token): string {
  return unescaped(token.text.slice(1, -1));
}

function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(
    /\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^]))/g,
    (_, a, b, c, d) => d ?? String.fromCodePoint(parseInt(a ?? b ?? c, 16)),
  );
}

/** Marks that printers add and leave out at will. */
const LOOSE = new Set([";", ",", "(", ")"]);

/** What of a text survives being printed anew: its tokens without the marks that are a matter of taste, strings without their quotes. */
export function essence(text: string): string[] {
  const out: string[] = [];
  for (const token of tokens(text)) {
    if (token.kind === "string") out.push("'" + stringValue(token));
    else if (!LOOSE.has(token.text)) out.push(token.text);
  }
  return out;
}
