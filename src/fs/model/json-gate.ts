/**
 * Decides whether the content of a *.json file is complete (DESIGN: the commit gate).
 *
 * The usual case is one write(2) of a serializer's whole output. To know that such content is not cut it suffices to
 * see every bracket closed, which one pass over the bytes tells. Content that came in pieces is parsed as well, once
 * its brackets are closed: a scanner that follows the pieces saves trying that after each of them.
 *
 * Several values, each beginning on a line of its own (NDJSON), are complete as well: such a file is not a cut JSON
 * document, whose rest always ends in a bracket that nothing opened.
 */
import { constants } from 'node:buffer';

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

export function isGatedName(name: string): boolean {
  return name.endsWith('.json');
}

export class JsonScanner {
  /** How many bytes, from the first on, were seen in order. */
  position = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #values = 0;
  #plain = false;
  /** A value followed another on the same line, or a bracket closed that nothing opened. */
  #broken = false;
  #freshLine = true;

  clone(): JsonScanner {
    const copy = new JsonScanner();
    copy.position = this.position;
    copy.#depth = this.#depth;
    copy.#inString = this.#inString;
    copy.#escaped = this.#escaped;
    copy.#values = this.#values;
    copy.#plain = this.#plain;
    copy.#broken = this.#broken;
    copy.#freshLine = this.#freshLine;
    return copy;
  }

  feed(data: Uint8Array): void {
    this.position += data.length;
    if (this.#plain || this.#broken) return;
    let depth = this.#depth;
    let inString = this.#inString;
    for (let i = 0; i < data.length; i++) {
      const byte = data[i] as number;
      if (inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET || byte === QUOTE) {
        if (depth === 0 && !this.#beginValue()) return;
        if (byte === QUOTE) inString = true;
        else depth++;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (depth === 0) {
          this.#strayByte(byte);
          return;
        }
        depth--;
      } else if (depth === 0) {
        if (byte === LF) this.#freshLine = true;
        else if (byte !== SPACE && byte !== CR && byte !== TAB) {
          this.#strayByte(byte);
          return;
        }
      }
    }
    this.#depth = depth;
    this.#inString = inString;
  }

  /** What the bytes seen so far are, if they are the whole content. */
  get verdict(): GateVerdict {
    if (this.#plain) return 'plain';
    if (this.#broken || this.#values === 0 || this.#depth > 0 || this.#inString) return 'incomplete';
    return 'complete';
  }

  #beginValue(): boolean {
    if (this.#values > 0 && !this.#freshLine) {
      this.#broken = true;
      return false;
    }
    this.#values++;
    this.#freshLine = false;
    return true;
  }

  /** A NUL at the start is a hole that a writer has yet to fill, not text of another kind. */
  #strayByte(byte: number): void {
    if (this.#values === 0 && byte !== NUL) this.#plain = true;
    else this.#broken = true;
  }
}

/** For content that arrived in one piece: a scan of it. */
export function judgeWhole(content: Uint8Array): GateVerdict {
  const scanner = new JsonScanner();
  scanner.feed(content);
  return scanner.verdict;
}

/**
 * For content that came in pieces: closed brackets are not proof enough, so what has them all closed is parsed too, unless no
 * string can hold it.
 */
export function judgePieces(content: Buffer, scanned: GateVerdict = judgeWhole(content)): GateVerdict {
  if (content.length > constants.MAX_STRING_LENGTH) return scanned;
  return scanned === 'complete' && !parses(content.toString('utf8')) ? 'incomplete' : scanned;
}

function parses(text: string): boolean {
  if (parsesAlone(text)) return true;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 1 && lines.every(parsesAlone);
}

function parsesAlone(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
