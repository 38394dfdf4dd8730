/** The names under which what is no file of its own is sealed: a chunk of a working copy, the attributes of a directory. */

/** What a piece of a working copy is authenticated as: no path contains NUL, so it can never pass for a file. */
export function chunkName(path: string, offset: number): string {
  return `${path}\0${offset}`;
}

/** What a directory's metadata is authenticated as: no path ends in a slash. */
export function directoryName(path: string): string {
  return `${path}/`;
}
