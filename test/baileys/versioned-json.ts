import assert from 'node:assert/strict';

/** Sizes jump between 100 bytes and 20 KB, so that a mixture of two versions does not parse or does not add up. */
export function versionedJson(version: number): string {
  const padding = 'x'.repeat(100 + ((version * 7919) % 20_000));
  return JSON.stringify({ version, length: padding.length, padding });
}

/** Throws for anything but a whole text of `versionedJson`. */
export function versionOf(text: string): number {
  const { version, length, padding } = JSON.parse(text) as {
    version: number;
    length: number;
    padding: string;
  };
  assert.equal(padding.length, length);
  return version;
}

export function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ENOENT';
}
