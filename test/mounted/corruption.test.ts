/** A sealed file that was tampered with or damaged is refused; the log says which and why; nothing else is affected. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import { HEADER_SIZE, readHeader, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { toObjectName } from '../../src/naming/object-name.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { linesAbout, outcome, until } from './support/probe.ts';

const FOREIGN_KEY = 'ab'.repeat(32);
const SESSION = 'user1-+15550001';

interface Damage {
  reason: string;
  /** Changes the cached files: `sealed` of the damaged one, `other` of its twin. */
  damage(sealed: string, other: string, path: string): void;
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  const index = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(index) ^ 1, index);
  writeFileSync(file, bytes);
}

const damages: Record<string, Damage> = {
  'a bit flipped in the ciphertext': {
    reason: 'wrong-tag',
    damage: (sealed) => flip(sealed, HEADER_SIZE + 5),
  },
  'a bit flipped in the tag': { reason: 'wrong-tag', damage: (sealed) => flip(sealed, -1) },
  'a bit flipped in the mode': { reason: 'wrong-tag', damage: (sealed) => flip(sealed, 32) },
  'a bit flipped in the length': { reason: 'length-mismatch', damage: (sealed) => flip(sealed, 20) },
  'a bit flipped in the magic': { reason: 'not-sealed', damage: (sealed) => flip(sealed, 0) },
  'the end cut off': {
    reason: 'truncated',
    damage: (sealed) => truncateSync(sealed, readFileSync(sealed).length - 16),
  },
  'all but ten bytes cut off': { reason: 'truncated', damage: (sealed) => truncateSync(sealed, 10) },
  'nothing left': { reason: 'truncated', damage: (sealed) => truncateSync(sealed, 0) },
  'bytes added': {
    reason: 'length-mismatch',
    damage: (sealed) => writeFileSync(sealed, 'more', { flag: 'a' }),
  },
  'plain text in its place': {
    reason: 'not-sealed',
    damage: (sealed) => writeFileSync(sealed, 'x'.repeat(500)),
  },
  'another file’s bytes': { reason: 'wrong-tag', damage: (sealed, other) => renameSync(other, sealed) },
  'sealed with another key': {
    reason: 'unknown-key',
    damage(sealed, _other, path) {
      const old = readFileSync(sealed);
      const { meta } = readHeader(old, old.length);
      const plain = Buffer.from('{"forged":true}');
      const forged = Buffer.alloc(sealedSize(plain.length));
      sealInto(forged, 0, Keyring.fromHex(FOREIGN_KEY), path, meta, plain);
      writeFileSync(sealed, forged);
    },
  },
};

const kinds = Object.keys(damages);
const pathOf = (index: number) => `${SESSION}/damaged-${index}.json`;
const twinOf = (index: number) => `${SESSION}/twin-${index}.json`;
const content = (name: string) => JSON.stringify({ name, padding: 'x'.repeat(100) });

test('a damaged, swapped or foreign file in the cache gives EIO and a log line, and affects nothing else', async (t) => {
  const first = await mountSessionfs(t);
  const { mountPoint } = first;
  const at = (path: string) => join(mountPoint, path);
  mkdirSync(at(SESSION));
  kinds.forEach((_, index) => {
    for (const path of [pathOf(index), twinOf(index)]) writeFileSync(at(path), content(path));
  });
  writeFileSync(at(`${SESSION}/creds.json`), content('creds'));
  await first.unmount();

  const sealedOf = (path: string) => join(`${mountPoint}.sealed`, toObjectName(path, 'file'));
  kinds.forEach((kind, index) => {
    damages[kind]?.damage(sealedOf(pathOf(index)), sealedOf(twinOf(index)), pathOf(index));
  });

  const second = await mountSessionfs(t, { mountPoint });
  for (const [index, kind] of kinds.entries()) {
    const path = pathOf(index);
    assert.ok(readdirSync(at(SESSION)).includes(`damaged-${index}.json`), kind);
    for (let attempt = 0; attempt < 2; attempt++)
      assert.equal(
        outcome(() => readFileSync(at(path))),
        'EIO',
        kind,
      );
    await until(() => linesAbout(second.log(), path).length > 0, `a log line about ${path}`);
    const lines = linesAbout(second.log(), path);
    assert.deepEqual(
      lines.map(({ level, reason }) => [level, reason]),
      [['error', damages[kind]?.reason]],
      kind,
    );
    if (kind !== 'another file’s bytes')
      assert.equal(readFileSync(at(twinOf(index)), 'utf8'), content(twinOf(index)));
    assert.equal(
      outcome(() => renameSync(at(path), at(`${path}.bak`))),
      'EIO',
      kind,
    );
  }
  assert.equal(readFileSync(at(`${SESSION}/creds.json`), 'utf8'), content('creds'));

  // The application may replace a damaged file, or remove it.
  writeFileSync(at(pathOf(0)), content('replaced'));
  assert.equal(readFileSync(at(pathOf(0)), 'utf8'), content('replaced'));
  writeFileSync(at(`${SESSION}/new.json.tmp`), content('renamed over'));
  renameSync(at(`${SESSION}/new.json.tmp`), at(pathOf(1)));
  for (let index = 2; index < kinds.length; index++) unlinkSync(at(pathOf(index)));
  await second.unmount();

  const third = await mountSessionfs(t, { mountPoint });
  const left = readdirSync(at(SESSION)).filter((name) => name.startsWith('damaged'));
  assert.deepEqual(left.sort(), ['damaged-0.json', 'damaged-1.json']);
  assert.equal(readFileSync(at(pathOf(0)), 'utf8'), content('replaced'));
  assert.equal(readFileSync(at(pathOf(1)), 'utf8'), content('renamed over'));
  await third.unmount();
});
