/** A recording of a terminal, as asciinema's asciicast v2 has it: a header, then `[seconds, "o", text]`, one a line. */
export const TITLE = 'A tour of sessionfs';
export const COLUMNS = 100;
export const ROWS = 26;

export type Output = readonly [seconds: number, kind: 'o', text: string];

/** Longer pauses of the run are cut to this. */
const PAUSE_MAX_S = 1.2;
const KEY_S = 0.03;
const READING_S = 0.8;

const PROMPT = '\u001b[1;32m$\u001b[0m ';
const COMMENT = '\u001b[1;33m# ';
const RESET = '\u001b[0m';
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what an escape sequence begins with
const ESCAPE = /\u001b\[[\d;]*m/g;

export class Recorder {
  readonly #outputs: Output[] = [];
  #seconds = 0;
  #lastMs = performance.now();

  /** What a program printed, now. */
  printed(text: string): void {
    this.#pause((performance.now() - this.#lastMs) / 1000);
    this.#add(text);
  }

  say(text: string): void {
    this.#pause(READING_S);
    this.#add(`\r\n${COMMENT}${text}${RESET}\r\n`);
    this.#seconds += READING_S;
  }

  /** As if somewhat fast fingers did. */
  type(command: string): void {
    this.#pause(READING_S);
    this.#add(PROMPT);
    for (const key of command) {
      this.#seconds += KEY_S;
      this.#add(key);
    }
    this.#add('\r\n');
  }

  #pause(seconds: number): void {
    this.#seconds += Math.min(seconds, PAUSE_MAX_S);
  }

  #add(text: string): void {
    this.#outputs.push([Math.round(this.#seconds * 1000) / 1000, 'o', text]);
    this.#lastMs = performance.now();
  }

  toString(): string {
    const header = { version: 2, width: COLUMNS, height: ROWS, title: TITLE };
    return [header, ...this.#outputs].map((line) => `${JSON.stringify(line)}\n`).join('');
  }
}

export interface Line {
  /** When its last character came. */
  readonly seconds: number;
  readonly text: string;
  readonly kind: 'command' | 'comment' | 'output';
}

export function outputsOf(cast: string): Output[] {
  return cast
    .split('\n')
    .slice(1)
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Output);
}

/** The lines of the terminal, each with the moment at which it was whole. */
export function linesOf(cast: string): Line[] {
  const lines: Line[] = [];
  let open = '';
  for (const [seconds, , text] of outputsOf(cast)) {
    const parts = (open + text).split(/\r?\n/);
    open = parts.pop() ?? '';
    for (const part of parts) lines.push({ seconds, text: part.replace(ESCAPE, ''), kind: kindOf(part) });
  }
  return lines;
}

function kindOf(text: string): Line['kind'] {
  if (text.startsWith(PROMPT)) return 'command';
  return text.startsWith(COMMENT) ? 'comment' : 'output';
}
