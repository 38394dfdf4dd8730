/** Where local mode keeps the key that it makes: beside the cache, so that copying the cache does not hand out its key. */
export function generatedKeyPath(cachePath: string): string {
  return `${cachePath}.key`;
}
