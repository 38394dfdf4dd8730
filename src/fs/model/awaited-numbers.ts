/**
 * Numbers by which the kernel knows what lies in sessions that are not here, from an earlier daemon: a restore gives them back. Kept
 * packed, since all that the kernel ever looked up in such sessions is among them.
 */
interface Packed {
  readonly paths: Buffer;
  /** In the order of the paths. */
  readonly numbers: Float64Array;
}

/** No path has it. */
const BETWEEN_PATHS = '\0';

export class AwaitedNumbers {
  readonly #sessions = new Map<string, Packed>();

  /** `numbers`: by path. */
  add(session: string, numbers: ReadonlyMap<string, number>): void {
    const paths = Buffer.from([...numbers.keys()].join(BETWEEN_PATHS));
    this.#sessions.set(session, { paths, numbers: Float64Array.from(numbers.values()) });
  }

  /** Of a number that nothing here has, which is rare. */
  sessionOf(number: number): string | undefined {
    for (const [session, { numbers }] of this.#sessions) if (numbers.includes(number)) return session;
    return undefined;
  }

  /** By path. Forgets them. */
  take(session: string): Map<string, number> {
    const packed = this.#sessions.get(session);
    this.#sessions.delete(session);
    if (packed === undefined) return new Map();
    const paths = packed.paths.toString().split(BETWEEN_PATHS);
    return new Map(paths.map((path, index) => [path, packed.numbers[index] as number]));
  }
}
