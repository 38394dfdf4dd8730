/**
 * Decides whether the content of a *.json file is complete (DESIGN: the commit gate).
 *
 * The usual case is one write(2) of a serializer's whole output. To know that such content is not cut it suffices to
 * see every bracket closed. Content that came in pieces has to be JSON as well: a scanner follows the pieces and checks
 * each byte once. Only content that was changed out of order is looked at from its beginning, which has limits
 * (scan-budget.ts).
 *
 * Several values, each on a line of its own (NDJSON), are complete as well: such a file is not a cut JSON document,
 * whose rest always ends in a bracket that nothing opened.
 */
import type { ScanBudget } from './scan-budget.ts';

export type GateVerdict =
  /** Publish it. */
  | 'complete'
  /** Hold it back: it may be cut. */
  | 'incomplete'
  /** Does not begin like JSON: plain POSIX rules. */
  | 'plain';

const NUL = 0x00;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** So much of any content is looked at, whatever the budget says: to know what is not JSON at all takes its first bytes. */
const ALWAYS_SCANNED = 64 * 1024;

export function isGatedName(name: string): boolean {
  return name.endsWith('.json');
}

/** For content that arrived in one piece: every bracket and quote closes, and what follows a value begins on a new line. */
export function judgeWhole(content: Uint8Array): GateVerdict {
  let depth = 0;
  let inString = false;
  let values = 0;
  let freshLine = true;
  for (let i = 0; i < content.length; i++) {
    const byte = content[i] as number;
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET || byte === QUOTE) {
      if (depth === 0) {
        if (values > 0 && !freshLine) return 'incomplete';
        values++;
        freshLine = false;
      }
      if (byte === QUOTE) inString = true;
      else depth++;
    } else if (depth === 0) {
      if (byte === LF) freshLine = true;
      else if (!isSpace(byte)) return values === 0 && byte !== NUL ? 'plain' : 'incomplete';
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    }
  }
  return values === 0 || depth > 0 || inString ? 'incomplete' : 'complete';
}

/** For content that came in pieces. 'undecided': it is long, and the budget does not allow to look at all of it now. */
export function judgePieces(content: Buffer): GateVerdict;
export function judgePieces(content: Buffer, budget: ScanBudget | undefined): GateVerdict | 'undecided';
export function judgePieces(content: Buffer, budget?: ScanBudget): GateVerdict | 'undecided' {
  const scanner = new JsonScanner();
  scanner.feed(content.subarray(0, ALWAYS_SCANNED));
  const rest = content.subarray(ALWAYS_SCANNED);
  if (rest.length > 0 && !scanner.isSettled) {
    if (budget?.isSpent) return 'undecided';
    const scanned = scanner.feed(rest);
    budget?.spend(scanned);
  }
  return scanner.verdict;
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LF || byte === CR || byte === TAB;
}

/** What may come next. After the last four a number may be over. */
const State = {
  /** Between values, outside all brackets. */
  TOP: 0,
  VALUE: 1,
  VALUE_OR_END: 2,
  KEY: 3,
  KEY_OR_END: 4,
  COLON: 5,
  COMMA_OR_END: 6,
  STRING: 7,
  ESCAPE: 8,
  /** Four hexadecimal digits. */
  HEX: 9,
  MINUS: 13,
  DOT: 14,
  EXPONENT: 15,
  EXPONENT_SIGN: 16,
  /** The letters after the first one. */
  TRUE: 17,
  FALSE: 20,
  NULL: 24,
  ZERO: 27,
  INTEGER: 28,
  FRACTION: 29,
  EXPONENT_DIGITS: 30,
} as const;
const STATES = 31;

/** What takes more than another state. */
const Action = {
  BREAK: 32,
  BEGIN_AT_TOP: 33,
  OPEN: 34,
  CLOSE: 35,
  COMMA: 36,
  BEGIN_KEY: 37,
  BEGIN_TEXT: 38,
  END_STRING: 39,
  NEW_LINE: 40,
} as const;

/** For each state and byte the next state, or an action. */
const NEXT = new Uint8Array(STATES * 256).fill(Action.BREAK);

function on(states: readonly number[], bytes: string, next: number): void {
  for (const state of states)
    for (const byte of Buffer.from(bytes, 'latin1')) NEXT[state * 256 + byte] = next;
}

function spell(state: number, letters: string): void {
  for (const [i, letter] of [...letters].entries())
    on([state + i], letter, i + 1 < letters.length ? state + i + 1 : State.COMMA_OR_END);
}

const BETWEEN_TOKENS = [
  State.TOP,
  State.VALUE,
  State.VALUE_OR_END,
  State.KEY,
  State.KEY_OR_END,
  State.COLON,
  State.COMMA_OR_END,
];
const VALUES = [State.VALUE, State.VALUE_OR_END];
const NUMBERS = [State.ZERO, State.INTEGER, State.FRACTION, State.EXPONENT_DIGITS];
const ENDS = [State.COMMA_OR_END, ...NUMBERS];
const DIGITS = '0123456789';

for (const state of BETWEEN_TOKENS) on([state], ' \t\r', state);
on(NUMBERS, ' \t\r', State.COMMA_OR_END);
on([...BETWEEN_TOKENS, ...NUMBERS], '\n', Action.NEW_LINE);
on([State.TOP], '{["', Action.BEGIN_AT_TOP);
on(VALUES, '{[', Action.OPEN);
on(VALUES, '"', Action.BEGIN_TEXT);
on(VALUES, '-', State.MINUS);
on(VALUES, '0', State.ZERO);
on(VALUES, '123456789', State.INTEGER);
on(VALUES, 't', State.TRUE);
on(VALUES, 'f', State.FALSE);
on(VALUES, 'n', State.NULL);
on([State.VALUE_OR_END, ...ENDS], ']', Action.CLOSE);
on([State.KEY_OR_END, ...ENDS], '}', Action.CLOSE);
on(ENDS, ',', Action.COMMA);
on([State.KEY, State.KEY_OR_END], '"', Action.BEGIN_KEY);
on([State.COLON], ':', State.VALUE);

NEXT.fill(State.STRING, State.STRING * 256 + SPACE, (State.STRING + 1) * 256);
on([State.STRING], '"', Action.END_STRING);
on([State.STRING], '\\', State.ESCAPE);
on([State.ESCAPE], '"\\/bfnrt', State.STRING);
on([State.ESCAPE], 'u', State.HEX);
for (let i = 0; i < 4; i++)
  on([State.HEX + i], `${DIGITS}abcdefABCDEF`, i < 3 ? State.HEX + i + 1 : State.STRING);

spell(State.TRUE, 'rue');
spell(State.FALSE, 'alse');
spell(State.NULL, 'ull');

on([State.MINUS], '0', State.ZERO);
on([State.MINUS], '123456789', State.INTEGER);
on([State.INTEGER], DIGITS, State.INTEGER);
on([State.ZERO, State.INTEGER], '.', State.DOT);
on([State.DOT, State.FRACTION], DIGITS, State.FRACTION);
on([State.ZERO, State.INTEGER, State.FRACTION], 'eE', State.EXPONENT);
on([State.EXPONENT], '+-', State.EXPONENT_SIGN);
on([State.EXPONENT, State.EXPONENT_SIGN, State.EXPONENT_DIGITS], DIGITS, State.EXPONENT_DIGITS);

/** What a scanner knew before a change. */
export interface ScannerState {
  fields: ScannerFields;
  /** The innermost brackets that were open: as many as the change can close. */
  innermost: Uint8Array;
}

interface ScannerFields {
  position: number;
  state: number;
  depth: number;
  values: number;
  /** The string is the key of an object. */
  inKey: boolean;
  /** The last value is followed by the end of a line. */
  freshLine: boolean;
  /** A value goes over the end of a line: it must be the only one. */
  spansLines: boolean;
  plain: boolean;
  /** Whatever follows, it is not JSON. */
  broken: boolean;
}

/** Checks JSON byte by byte, as JSON.parse does, and keeps no more of it than which brackets are open. */
export class JsonScanner {
  #at: ScannerFields = {
    position: 0,
    state: State.TOP,
    depth: 0,
    values: 0,
    inKey: false,
    freshLine: true,
    spansLines: false,
    plain: false,
    broken: false,
  };
  /** The bracket that opened each level. */
  #open = new Uint8Array(32);

  /** How many bytes, from the first on, were seen in order. */
  get position(): number {
    return this.#at.position;
  }

  /** No byte that follows changes the verdict. */
  get isSettled(): boolean {
    return this.#at.plain || this.#at.broken;
  }

  /** What the bytes seen so far are, if they are the whole content. */
  get verdict(): GateVerdict {
    const { plain, broken, values, state } = this.#at;
    if (plain) return 'plain';
    return broken || values === 0 || state !== State.TOP ? 'incomplete' : 'complete';
  }

  /** For `restore`, after at most one `feed` of up to `length` bytes. */
  save(length: number): ScannerState {
    const { depth } = this.#at;
    return { fields: { ...this.#at }, innermost: this.#open.slice(Math.max(0, depth - length), depth) };
  }

  restore({ fields, innermost }: ScannerState): void {
    this.#at = { ...fields };
    this.#open.set(innermost, fields.depth - innermost.length);
  }

  /** Returns how many of the bytes it looked at. */
  feed(data: Uint8Array): number {
    const at = this.#at;
    at.position += data.length;
    if (this.isSettled) return 0;
    let { state } = at;
    for (let i = 0; i < data.length; i++) {
      const byte = data[i] as number;
      const next = NEXT[(state << 8) | byte] as number;
      if (next < STATES) {
        state = next;
        continue;
      }
      at.state = state;
      this.#act(next, byte);
      if (this.isSettled) return i + 1;
      state = at.state;
    }
    at.state = state;
    return data.length;
  }

  #act(action: number, byte: number): void {
    const at = this.#at;
    switch (action) {
      case Action.OPEN:
        this.#push(byte);
        break;
      case Action.CLOSE:
        this.#close(byte);
        break;
      case Action.COMMA:
        at.state = this.#open[at.depth - 1] === OPEN_BRACE ? State.KEY : State.VALUE;
        break;
      case Action.BEGIN_KEY:
      case Action.BEGIN_TEXT:
        at.inKey = action === Action.BEGIN_KEY;
        at.state = State.STRING;
        break;
      case Action.END_STRING:
        if (at.inKey) at.state = State.COLON;
        else at.state = at.depth === 0 ? State.TOP : State.COMMA_OR_END;
        break;
      case Action.NEW_LINE:
        this.#newLine();
        break;
      case Action.BEGIN_AT_TOP:
        this.#beginAtTop(byte);
        break;
      default:
        this.#stray(byte);
    }
  }

  #beginAtTop(byte: number): void {
    const at = this.#at;
    at.broken = at.values > 0 && (!at.freshLine || at.spansLines);
    at.values++;
    at.freshLine = false;
    at.inKey = false;
    if (byte === QUOTE) at.state = State.STRING;
    else this.#push(byte);
  }

  #push(bracket: number): void {
    const at = this.#at;
    if (at.depth === this.#open.length) {
      const larger = new Uint8Array(2 * at.depth);
      larger.set(this.#open);
      this.#open = larger;
    }
    this.#open[at.depth++] = bracket;
    at.state = bracket === OPEN_BRACE ? State.KEY_OR_END : State.VALUE_OR_END;
  }

  #close(bracket: number): void {
    const at = this.#at;
    // In ASCII a closing bracket is its opening one and 2.
    if (this.#open[--at.depth] !== bracket - 2) at.broken = true;
    at.state = at.depth === 0 ? State.TOP : State.COMMA_OR_END;
  }

  #newLine(): void {
    const at = this.#at;
    if (at.state >= State.ZERO) at.state = State.COMMA_OR_END;
    if (at.depth === 0) at.freshLine = true;
    else if (at.values > 1) at.broken = true;
    else at.spansLines = true;
  }

  /** A NUL at the start is a hole that a writer has yet to fill, not text of another kind. */
  #stray(byte: number): void {
    const at = this.#at;
    if (at.values === 0 && byte !== NUL) at.plain = true;
    else at.broken = true;
  }
}
