/** One feared mistake: a text of src/ that is there exactly once, what a mistake makes of it, and the tests that must notice. */
export interface Mutation {
  /** In the repository. */
  file: string;
  /** Must occur exactly once in the file, so that the list is mended together with the code. */
  find: string;
  replace: string;
  /** What would go wrong, in a few words. */
  fear: string;
  /** Test files below test/, run until one fails. */
  tests: readonly string[];
}

export interface Outcome {
  mutation: Mutation;
  /**
   * hung: no test failed, and a test file did not end. broken: it does not compile. Both count as survived, for no test says what
   * is wrong.
   */
  kind: 'killed' | 'survived' | 'hung' | 'broken';
  /** Which test failed or hung, or the compiler, with its error. */
  why: string;
}

/** The mutation makes no program. */
export class NotCompiled extends Error {}

/** `[find, replace, fear]` for one file and the tests that must notice. */
export function fearedIn(
  file: string,
  tests: readonly string[],
  rows: readonly (readonly [find: string, replace: string, fear: string])[],
): Mutation[] {
  return rows.map(([find, replace, fear]) => ({ file, find, replace, fear, tests }));
}

/** Throws where the text to replace is missing or ambiguous. */
export function mutate(source: string, { file, find, replace }: Mutation): string {
  const first = source.indexOf(find);
  if (first < 0) throw new Error(`${file} does not contain ${JSON.stringify(find)}`);
  if (source.indexOf(find, first + 1) >= 0)
    throw new Error(`${file} contains ${JSON.stringify(find)} more than once`);
  return source.slice(0, first) + replace + source.slice(first + find.length);
}
