/** Nothing readable leaves the mount. */
import assert from 'node:assert/strict';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Mounted, mountSessionfs } from '../support/mount-sessionfs.ts';
import { exists } from './support/probe.ts';

const KEY = '8f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0';
const SECRET = 'the-noise-key-of-this-account';
const secrets = {
  'the content': Buffer.from(SECRET),
  'the key as text': Buffer.from(KEY),
  'the key itself': Buffer.from(KEY, 'hex'),
};

function filesBelow(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function assertSealed(directory: string, log: string): void {
  const files = filesBelow(directory);
  const bytes = files.map((file) => readFileSync(file));
  assert.ok(bytes.reduce((sum, { length }) => sum + length, 0) > 1000, 'there is next to nothing to look at');
  for (const [what, secret] of Object.entries(secrets)) {
    for (const [index, file] of files.entries()) {
      assert.ok(!bytes[index]?.includes(secret), `${what} is in ${file}`);
    }
    assert.ok(!log.includes(secret.toString()), `${what} is in the log`);
  }
}

/** One of each way in which content gets onto the disk: whole, in pieces, held back, plain, and as a link's target. */
function writeSecrets(folder: string): void {
  const json = JSON.stringify({ secret: SECRET });
  writeFileSync(join(folder, 'creds.json'), json);
  const pieces = openSync(join(folder, 'pieces.json'), 'w');
  writeSync(pieces, json.slice(0, -1));
  writeSync(pieces, '}');
  closeSync(pieces);
  const held = openSync(join(folder, 'held.json'), 'w');
  writeSync(held, `{"${SECRET}`);
  closeSync(held);
  writeFileSync(join(folder, 'notes'), SECRET.repeat(10));
  symlinkSync(SECRET, join(folder, 'link'));
}

test('while it is mounted, after a crash and after a clean end, cache and journal hold sealed bytes only', async (t) => {
  const env = { SESSION_ENCRYPTION_KEY: KEY, LOG_LEVEL: 'trace' };
  const first = await mountSessionfs(t, { env });
  const { mountPoint } = first;
  const cache = `${mountPoint}.sealed`;
  const look = (mounted: Mounted) => assertSealed(cache, mounted.log());
  writeSecrets(mountPoint);
  look(first);
  await first.kill();
  look(first);
  const second = await mountSessionfs(t, { mountPoint, env });
  assert.equal(readFileSync(join(mountPoint, 'notes'), 'utf8'), SECRET.repeat(10));
  await second.unmount();
  look(second);
  assert.ok(!exists(`${mountPoint}.sealed.key`), 'a key was made although one was given');
});

test('the cache is closed to everyone but its owner', async (t) => {
  const mounted = await mountSessionfs(t);
  writeFileSync(join(mounted.mountPoint, 'creds.json'), '{}');
  await mounted.unmount();
  const cache = `${mounted.mountPoint}.sealed`;
  const entries = readdirSync(cache, { recursive: true, encoding: 'utf8' }).map((name) => join(cache, name));
  assert.ok(entries.length > 3);
  for (const path of [cache, ...entries, `${cache}.key`]) {
    assert.equal(statSync(path).mode & 0o077, 0, path);
  }
});
