import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { createKeyFile } from '../../src/crypto/key-file.ts';
import { type KeyRequest, type KeySource, loadKeys } from '../../src/crypto/key-source.ts';
import { Keyring } from '../../src/crypto/keyring.ts';
import { recordDisk } from '../support/recorded-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const A = '0a'.repeat(32);
const B = '0b'.repeat(32);
const idOf = (hex: string) => Keyring.fromHex(hex).currentId;

class Scene {
  readonly directory: string;
  readonly cachePath: string;
  readonly generated: string;

  constructor(t: TestContext) {
    this.directory = temporaryDirectory(t);
    this.cachePath = join(this.directory, 'data', 'sessions.sealed');
    this.generated = `${this.cachePath}.key`;
  }

  keyFile(text: string, mode = 0o600): string {
    const path = join(this.directory, 'key');
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }

  load(request: Partial<KeyRequest> = {}): KeySource {
    const { cachePath } = this;
    return loadKeys({
      env: {},
      keyFile: undefined,
      cachePath,
      mayGenerate: true,
      expectedKeyId: undefined,
      ...request,
    });
  }
}

test('the first use in local mode makes a key file, 0600, one line of 64 hex digits', (t) => {
  const scene = new Scene(t);
  const source = scene.load();
  assert.equal(source.origin, 'generated');
  assert.equal(source.path, scene.generated);
  assert.equal(statSync(scene.generated).mode & 0o7777, 0o600);
  const text = readFileSync(scene.generated, 'utf8');
  assert.match(text, /^[0-9a-f]{64}\n$/);
  assert.equal(source.keyring.currentId, idOf(text.trim()));
  assert.deepEqual(readdirSync(join(scene.directory, 'data')), ['sessions.sealed.key']);
});

test('the next start takes the key that the first one made', (t) => {
  const scene = new Scene(t);
  const first = scene.load().keyring.currentId;
  const again = scene.load({ expectedKeyId: first });
  assert.deepEqual([again.origin, again.keyring.currentId, again.warnings], ['file', first, []]);
});

test('two mounts get different keys', (t) => {
  assert.notEqual(new Scene(t).load().keyring.currentId, new Scene(t).load().keyring.currentId);
});

test('a key file that another process made meanwhile is taken, not replaced', (t) => {
  const scene = new Scene(t);
  mkdirSync(join(scene.directory, 'data'));
  writeFileSync(scene.generated, `${A}\n`);
  assert.equal(createKeyFile(scene.generated).toString('hex'), A);
  assert.equal(readFileSync(scene.generated, 'utf8'), `${A}\n`);
  assert.deepEqual(readdirSync(join(scene.directory, 'data')), ['sessions.sealed.key']);
});

test('a cache that holds sessions never gets a new key', (t) => {
  const scene = new Scene(t);
  assert.throws(() => scene.load({ expectedKeyId: idOf(A) }), { code: 'KEY_MISSING' });
  assert.ok(!existsSync(scene.generated));
});

test('hybrid and cloud mode require a key and say how to make one', (t) => {
  const scene = new Scene(t);
  for (const env of [{}, { SESSION_ENCRYPTION_KEY: '' }, { SESSION_ENCRYPTION_KEY: ' \n' }]) {
    assert.throws(() => scene.load({ env, mayGenerate: false }), {
      code: 'KEY_MISSING',
      hint: /openssl rand -hex 32/,
    });
  }
  assert.ok(!existsSync(scene.generated));
});

test('hybrid mode without a key names the key file that local mode made', (t) => {
  const scene = new Scene(t);
  scene.load();
  const hint = new RegExp(`SESSION_ENCRYPTION_KEY_FILE=${scene.generated}`);
  assert.throws(() => scene.load({ mayGenerate: false }), { code: 'KEY_MISSING', hint });
});

test('a key in the environment is used, and its variables are deleted', (t) => {
  const scene = new Scene(t);
  const env = {
    SESSION_ENCRYPTION_KEY: `${A}\n`,
    SESSION_ENCRYPTION_KEYS_PREVIOUS: ` ${B}, ${'0c'.repeat(32)}`,
    SESSION_ENCRYPTION_KEY_FILE: '',
    SESSION_OWNER: '1:1',
  };
  const { keyring, origin, path } = scene.load({ env });
  assert.deepEqual([origin, path, keyring.currentId], ['environment', undefined, idOf(A)]);
  for (const hex of [B, '0c'.repeat(32)]) assert.notEqual(keyring.byId(idOf(hex)), undefined);
  assert.deepEqual(env, { SESSION_OWNER: '1:1' });
  assert.ok(!existsSync(scene.generated));
});

test('the variables are deleted even when the key is refused', (t) => {
  const env = { SESSION_ENCRYPTION_KEY: 'short' };
  assert.throws(() => new Scene(t).load({ env }), {
    code: 'KEY_MALFORMED',
    message: /SESSION_ENCRYPTION_KEY .*5 characters/,
  });
  assert.deepEqual(env, {});
});

test('a malformed previous key is named by its place', (t) => {
  const env = { SESSION_ENCRYPTION_KEY: A, SESSION_ENCRYPTION_KEYS_PREVIOUS: `${B},${B}0` };
  assert.throws(() => new Scene(t).load({ env }), {
    code: 'KEY_MALFORMED',
    message: /key 2 of SESSION_ENCRYPTION_KEYS_PREVIOUS/,
  });
});

test('a key file comes before a key in the environment', (t) => {
  const scene = new Scene(t);
  const keyFile = scene.keyFile(`${B}\r\n`);
  const source = scene.load({ env: { SESSION_ENCRYPTION_KEY: A }, keyFile, mayGenerate: false });
  assert.deepEqual([source.origin, source.path, source.keyring.currentId], ['file', keyFile, idOf(B)]);
  assert.deepEqual(source.warnings, []);
});

test('a command prints the key; one that fails, prints something else or too much is refused without showing it', (t) => {
  const scene = new Scene(t);
  const found = scene.load({
    keyCommand: `echo ${A}`,
    env: { SESSION_ENCRYPTION_KEY: B },
    mayGenerate: false,
  });
  assert.deepEqual([found.origin, found.keyring.currentId, found.path], ['command', idOf(A), undefined]);
  for (const [keyCommand, code, message] of [
    [`echo ${A}; exit 3`, 'KEY_MISSING', /the key command ended with status 3/],
    ['kill -9 $$', 'KEY_MISSING', /was ended by SIGKILL/],
    ['yes', 'KEY_MISSING', /printed more than a key/],
    ['echo not-a-key', 'KEY_MALFORMED', /the output of the key command must be 64 hex digits, but it has 9/],
    ['true', 'KEY_MALFORMED', /it has 0 characters/],
  ] as const)
    assert.throws(() => scene.load({ keyCommand }), { code, message });
  assert.throws(() => scene.load({ keyCommand: `echo ${A}`, expectedKeyId: idOf(B) }), {
    code: 'KEY_WRONG',
    message: /but the output of the key command holds key/,
  });
});

test('a key file that others can read is used with a warning', (t) => {
  const scene = new Scene(t);
  for (const mode of [0o644, 0o640, 0o604]) {
    const { warnings } = scene.load({ keyFile: scene.keyFile(A, mode) });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /chmod 600/);
  }
});

test('a key file that is missing, cut, too long or not a file is refused without showing it', (t) => {
  const scene = new Scene(t);
  const refusals: [file: string, code: string][] = [
    [join(scene.directory, 'none'), 'KEY_MISSING'],
    [scene.directory, 'KEY_MALFORMED'],
  ];
  for (const [keyFile, code] of refusals) assert.throws(() => scene.load({ keyFile }), { code });
  for (const text of ['', A.slice(1), `${A}\n${B}`, A.repeat(40)]) {
    assert.throws(
      () => scene.load({ keyFile: scene.keyFile(text) }),
      (error: Error & { code: string }) =>
        error.code === 'KEY_MALFORMED' && !inspect(error).includes(A.slice(0, 20)),
    );
  }
});

test("a key that is not the cache's is refused with both ids, in every mode", (t) => {
  const scene = new Scene(t);
  for (const mayGenerate of [true, false]) {
    const env = { SESSION_ENCRYPTION_KEY: A };
    const message = new RegExp(`${idOf(B)}.*${idOf(A)}`);
    assert.throws(() => scene.load({ env, mayGenerate, expectedKeyId: idOf(B) }), {
      code: 'KEY_WRONG',
      message,
    });
  }
});

test('after a change of keys the cache opens with the previous one', (t) => {
  const env = { SESSION_ENCRYPTION_KEY: A, SESSION_ENCRYPTION_KEYS_PREVIOUS: B };
  assert.equal(new Scene(t).load({ env, expectedKeyId: idOf(B) }).keyring.currentId, idOf(A));
});

test('the key that local mode made is no previous key: another one is refused, and the key file is named', (t) => {
  const scene = new Scene(t);
  const old = scene.load().keyring.currentId;
  const env = { SESSION_ENCRYPTION_KEY: A };
  for (const mayGenerate of [true, false])
    assert.throws(() => scene.load({ env: { ...env }, mayGenerate, expectedKeyId: old }), {
      code: 'KEY_WRONG',
      message: new RegExp(`${old}.*${idOf(A)}`),
      hint: new RegExp(`${scene.generated} opens them: set SESSION_ENCRYPTION_KEY_FILE=${scene.generated}`),
    });
});

test('a key file that does not open the cache is not named as one that does', (t) => {
  const scene = new Scene(t);
  scene.load();
  for (const text of ['broken', `${A}\n`]) {
    writeFileSync(scene.generated, text);
    assert.throws(() => scene.load({ env: { SESSION_ENCRYPTION_KEY: A }, expectedKeyId: idOf(B) }), {
      code: 'KEY_WRONG',
      hint: /^Give the key that sealed them/,
    });
  }
});

test('from local to hybrid mode the key is kept, or the old one is named', (t) => {
  const scene = new Scene(t);
  const old = scene.load().keyring.currentId;
  const kept = scene.load({ keyFile: scene.generated, mayGenerate: false, expectedKeyId: old });
  assert.equal(kept.keyring.currentId, old);
  const env = {
    SESSION_ENCRYPTION_KEY: A,
    SESSION_ENCRYPTION_KEYS_PREVIOUS: readFileSync(scene.generated, 'utf8'),
  };
  const { keyring } = scene.load({ env, mayGenerate: false, expectedKeyId: old });
  assert.deepEqual([keyring.currentId, keyring.byId(old)?.id], [idOf(A), old]);
});

test('a broken key file beside a cache that another key opens is not looked at', (t) => {
  const scene = new Scene(t);
  scene.load();
  writeFileSync(scene.generated, 'broken');
  const source = scene.load({ env: { SESSION_ENCRYPTION_KEY: A }, expectedKeyId: idOf(A) });
  assert.deepEqual(source.warnings, []);
});

test('a key file that others can write, or that belongs to another user, is used with a warning', (t) => {
  const scene = new Scene(t);
  for (const mode of [0o620, 0o602, 0o666]) {
    const { warnings } = scene.load({ keyFile: scene.keyFile(A, mode) });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /can be written by other users; run: chmod 600/);
  }
  if (process.geteuid?.() !== 0) return;
  const keyFile = scene.keyFile(A);
  chownSync(keyFile, 12345, 12345);
  const { warnings } = scene.load({ keyFile });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /belongs to user 12345, who can replace the key/);
});

test('without a place for the new key the start fails and says where it wanted to write', (t) => {
  const scene = new Scene(t);
  writeFileSync(join(scene.directory, 'data'), 'a file in the way');
  assert.throws(() => scene.load(), { code: 'CACHE_NOT_WRITABLE', message: new RegExp(scene.generated) });
});

test('a key that was made is on stable storage: the whole key before its name, the name on return', async (t) => {
  const scene = new Scene(t);
  mkdirSync(join(scene.directory, 'data'));
  const done = await recordDisk(t, scene.directory);
  createKeyFile(scene.generated);
  const aside = done[0]?.path ?? '';
  assert.ok(aside.startsWith(`${scene.generated}.`) && aside.endsWith('.tmp'), aside);
  assert.deepEqual(done, [
    { what: 'sync', path: aside },
    { what: 'name', path: scene.generated, from: aside },
    { what: 'sync', path: join(scene.directory, 'data') },
  ]);
});
