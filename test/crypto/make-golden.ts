/**
 * Made the files in golden/, once. Not a test, and never run by one: files that are made anew prove nothing about those in
 * users' caches. It refuses to overwrite; a file is only ever added.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Keyring } from '../../src/crypto/keyring.ts';
import { OWNER, type SealedMeta, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { type GoldenFile, goldenFolder } from './golden.ts';

const KEY = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const OTHER_KEY = 'f'.repeat(64);
const owned: SealedMeta = {
  mode: 0o100600,
  uid: OWNER,
  gid: OWNER,
  mtimeSec: 1767225600,
  mtimeNsec: 123456789,
};
const foreign: SealedMeta = { mode: 0o100644, uid: 1000, gid: 4294967294, mtimeSec: 0, mtimeNsec: 0 };
const late: SealedMeta = { mode: 0o100444, uid: 0, gid: 0, mtimeSec: 18446744072, mtimeNsec: 999999999 };

const sources: [name: string, key: string, path: string, meta: SealedMeta, plain: string][] = [
  ['creds', KEY, 'user1-+491701234567/creds.json', owned, JSON.stringify({ noiseKey: 'x'.repeat(680) })],
  ['empty', KEY, 'user1-+491701234567/empty', foreign, ''],
  ['one-block', OTHER_KEY, 'top-level file', late, '0123456789abcdef'],
  ['unicode', KEY, 'Jürgen-+49/ключ-日本-🔑.json', owned, '{"ü":1}'],
];

mkdirSync(goldenFolder, { recursive: true });
const list = sources.map(([name, keyHex, path, meta, text]): GoldenFile => {
  const plain = Buffer.from(text);
  const sealed = Buffer.alloc(sealedSize(plain.length));
  sealInto(sealed, 0, Keyring.fromHex(keyHex), path, meta, plain);
  writeFileSync(`${goldenFolder}${name}.sealed`, sealed, { flag: 'wx' });
  return { file: `${name}.sealed`, keyHex, path, meta, plainBase64: plain.toString('base64') };
});
writeFileSync(`${goldenFolder}golden.json`, `${JSON.stringify(list, null, 2)}\n`, { flag: 'wx' });
