/** Contents of awkward sizes, and *.json that comes in pieces. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { versionedJson } from '../baileys/versioned-json.ts';
import { cleanUp } from '../support/cleanup.ts';
import { mountSessionfs } from '../support/mount-sessionfs.ts';
import { exists, until } from './support/probe.ts';
import { startRaceReader } from './support/race-reader.ts';
import { sharedMount } from './support/shared-mount.ts';

const MIB = 1 << 20;
const CHUNK = 512 * 1024;
const VERSIONS = 12;
const shared = await sharedMount();
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('files of 0 B to 10 MiB come back byte for byte, before and after a remount', async (t) => {
  const first = await mountSessionfs(t);
  const { mountPoint } = first;
  const expected = new Map<string, string>();
  for (const size of [0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 10 * MIB]) {
    const bytes = randomBytes(size);
    const json = Buffer.from(JSON.stringify(bytes.toString('base64')));
    for (const [name, content] of [
      [`${size}.bin`, bytes],
      [`${size}.json`, json],
    ] as const) {
      writeFileSync(join(mountPoint, name), content);
      expected.set(name, digest(content));
    }
  }
  const check = () => {
    for (const [name, sum] of expected) assert.equal(digest(readFileSync(join(mountPoint, name))), sum, name);
  };
  check();
  await first.unmount();
  const second = await mountSessionfs(t, { mountPoint });
  check();
  await second.unmount();
});

/** Parses, and of no other length than the version says: as test/baileys/versioned-json.ts has it. */
function largeJson(version: number, length: number): string {
  return JSON.stringify({ version, length, padding: 'x'.repeat(length) });
}

test('a *.json of 1.5 MB in chunks of 512 KiB is published with its last chunk', async () => {
  const file = join(shared.folder(), 'creds.json');
  const text = Buffer.from(largeJson(2, 1_500_000));
  for (const old of [undefined, largeJson(1, 10), largeJson(1, 1_500_000), largeJson(1, 1_600_000)]) {
    if (old !== undefined) writeFileSync(file, old);
    const fd = openSync(file, 'w');
    for (let at = 0; at < text.length; at += CHUNK) {
      if (old === undefined) assert.ok(!exists(file));
      // The kernel shows what it was given until it hears that it is held back: see docs/semantics.md.
      else await until(() => readFileSync(file, 'utf8') === old, 'the old version, whole');
      writeSync(fd, text, at, Math.min(CHUNK, text.length - at), at);
    }
    closeSync(fd);
    assert.deepEqual(readFileSync(file), text);
    assert.deepEqual(await readFile(file), text);
  }
});

test('a reader without pause never finds a *.json empty that Node writes in pieces', async (t) => {
  const file = join(shared.folder(), 'creds.json');
  writeFileSync(file, versionedJson(0));
  const reader = startRaceReader(file);
  for (let version = 1; version <= VERSIONS; version++) {
    await writeFile(file, largeJson(version, 1_500_000 + version * 1000));
    assert.equal(readFileSync(file, 'utf8'), largeJson(version, 1_500_000 + version * 1000));
  }
  const { reads, empty, padded, mixed, failed } = await reader.stop();
  t.diagnostic(`of ${reads} reads ${mixed} cut or mixed, ${padded} with zeros at the end`);
  assert.ok(reads > 0);
  assert.equal(empty, 0);
  assert.deepEqual(failed, []);
});

test('the shell’s cat in chunks of 128 KiB publishes a *.json when the last one has come', async (t) => {
  const file = join(shared.folder(), 'creds.json');
  const old = largeJson(1, 10);
  const text = largeJson(2, 1_000_000);
  writeFileSync(file, old);
  const shell = spawn('sh', ['-c', 'cat > "$0"', file], { stdio: ['pipe', 'inherit', 'inherit'] });
  cleanUp(t, () => void shell.kill());
  const half = text.length / 2;
  await new Promise((resolve) => shell.stdin.write(text.slice(0, half), resolve));
  await until(() => readFileSync(file, 'utf8') === old, 'the old version, whole');
  shell.stdin.end(text.slice(half));
  await once(shell, 'close');
  assert.equal(readFileSync(file, 'utf8'), text);
});
