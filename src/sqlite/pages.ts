/** Pages of a database by their numbers, from 1 on, where they lie: some in the file, others in what is beside it. */
export interface Pages {
  readonly pageBytes: number;
  /** Undefined: there is no such page, or not all of it. */
  page(number: number): Uint8Array | undefined;
}

/** Where in a file the content of a page begins, by the page's number. */
export type PagePositions = ReadonlyMap<number, number>;

export function pagesOf(database: Uint8Array, pageBytes: number, databasePages = Infinity): Pages {
  return {
    pageBytes,
    page: (number) =>
      number > databasePages ? undefined : slice(database, (number - 1) * pageBytes, pageBytes),
  };
}

/** Those of `file` at these positions in the place of what `below` has under their numbers. */
export function pagesOver(below: Pages, file: Uint8Array, positions: PagePositions): Pages {
  const { pageBytes } = below;
  return {
    pageBytes,
    page: (number) => {
      const position = positions.get(number);
      return position === undefined ? below.page(number) : slice(file, position, pageBytes);
    },
  };
}

export function isSamePage(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}

function slice(file: Uint8Array, start: number, length: number): Uint8Array | undefined {
  return start < 0 || start + length > file.length ? undefined : file.subarray(start, start + length);
}
