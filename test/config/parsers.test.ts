import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import * as parse from '../../src/config/parsers.ts';

function refuses(parser: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) assert.throws(() => parser(text), parse.Refusal, JSON.stringify(text));
}

test('a choice is found whatever its case, and a refusal lists what there is', () => {
  const parser = parse.choice('local', 'hybrid');
  assert.equal(parser('Hybrid'), 'hybrid');
  assert.throws(() => parser('remote'), { message: 'must be one of local, hybrid' });
  refuses(parser, ['', 'local ', 'locall']);
});

test('whole numbers within their limits are taken, and nothing else', () => {
  const parser = parse.integer(0, 5000, 'bytes');
  assert.deepEqual(['0', '5000', '0042'].map(parser), [0, 5000, 42]);
  refuses(parser, ['', '-1', '5001', '1.5', '1e3', '0x10', ' 1', '1 ', '1k', '5_000', '9'.repeat(17), 'NaN']);
});

test('paths become absolute, and an empty one is refused', () => {
  assert.equal(parse.path('./a/../b'), resolve('b'));
  assert.equal(parse.path('/x/'), '/x');
  refuses(parse.path, ['', 'a\0b']);
});

test('a key in the place of a key file is refused', () => {
  assert.equal(parse.keyFilePath('/run/secrets/key'), '/run/secrets/key');
  refuses(parse.keyFilePath, ['0a'.repeat(32), '0A'.repeat(16), ` ${'0a'.repeat(32)}\n`]);
  // A key as openssl rand -base64 32 prints it.
  refuses(parse.keyFilePath, ['q1Yx0bZ8m/9tUuK3vCw5yPz7Rr2Ee4Tt6AaSsDdFfG0=']);
});

test('an owner is two numbers that chown takes', () => {
  assert.deepEqual(parse.owner('1000:100'), { uid: 1000, gid: 100 });
  assert.deepEqual(parse.owner('0:4294967294'), { uid: 0, gid: 4294967294 });
  refuses(parse.owner, [
    '',
    '1000',
    ':',
    '1000:',
    ':100',
    'node:node',
    '-1:0',
    '4294967295:0',
    '0:4294967295',
    '1:2:3',
  ]);
});

test('a bucket is a GCS name, with or without gs://, one of S3, or a directory', () => {
  const gcs = { kind: 'gcs', name: 'whatzai-whatsapp-sessions' };
  for (const text of [gcs.name, `gs://${gcs.name}`, `gs://${gcs.name}/`])
    assert.deepEqual(parse.bucket(text), gcs);
  assert.deepEqual(parse.bucket('s3://name.of-it/'), { kind: 's3', name: 'name.of-it' });
  assert.deepEqual(parse.bucket('file:///srv/a%20b/'), { kind: 'directory', path: '/srv/a b' });
  refuses(parse.bucket, [
    '',
    'ab',
    'Upper',
    'gs://',
    'gs://name/folder',
    's3://name/folder',
    'az://name',
    '/srv/bucket',
    '-name',
    'name-',
    'a b c',
  ]);
  refuses(parse.bucket, ['file://srv/bucket', 'file:/srv', 'file:', 'file:///%2f', 'file:///a%00b']);
});

test('what is wrong with a bucket name is said', () => {
  const problems: [text: string, problem: RegExp][] = [
    ['az://name', /az:\/\/ is not supported$/],
    ['gs://name/folder', /a folder in the bucket cannot be named$/],
    ['Upper', /capital letters are not allowed$/],
    ['a b c', /the character " " is not allowed$/],
    ['ab', /it is shorter than 3 characters$/],
    ['a'.repeat(223), /it is longer than 222 characters$/],
    ['-name', /it must begin and end with a letter or a digit$/],
  ];
  for (const [text, problem] of problems) assert.throws(() => parse.bucket(text), problem, text);
});

test('an emulator is named by host and port or by a URL', () => {
  assert.equal(parse.emulatorHost('localhost:9199'), 'http://localhost:9199');
  assert.equal(parse.emulatorHost('https://gcs.test:4443/'), 'https://gcs.test:4443');
  assert.equal(parse.emulatorHost('http://gcs.test/storage/'), 'http://gcs.test/storage');
  refuses(parse.emulatorHost, ['', 'ftp://x', 'http://', 'http://user:secret@x', 'local host:1']);
});

test('an HTTP address is a host and a port, IPv6 in brackets', () => {
  assert.deepEqual(parse.httpAddress('127.0.0.1:9464'), { host: '127.0.0.1', port: 9464 });
  assert.deepEqual(parse.httpAddress('localhost:0'), { host: 'localhost', port: 0 });
  assert.deepEqual(parse.httpAddress('[::1]:80'), { host: '::1', port: 80 });
  refuses(parse.httpAddress, [
    '',
    '9464',
    ':9464',
    'localhost',
    '::1:80',
    'localhost:65536',
    'a b:1',
    'http://x:1',
    '[x]:1',
  ]);
});
