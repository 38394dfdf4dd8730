/** Which of two sealed versions counts as the newer one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyring } from '../../src/crypto/keyring.ts';
import { OWNER, sealedSize, sealInto } from '../../src/crypto/sealed-file.ts';
import { isShownNewer } from '../../src/remote/freshness.ts';

const [A, B] = ['11'.repeat(32), '22'.repeat(32)];
const PATH = 'u-+1/creds.json';
const both = Keyring.fromHex(B, [A]);

function seal(content: string, sec: number, nsec = 0, keyring = both): Buffer {
  const plain = Buffer.from(content);
  const sealed = Buffer.alloc(sealedSize(plain.length));
  const meta = { mode: 0o100600, uid: OWNER, gid: OWNER, mtimeSec: sec, mtimeNsec: nsec };
  sealInto(sealed, 0, keyring, PATH, meta, plain);
  return sealed;
}

const isNewer = (there: Buffer, here: Buffer) => isShownNewer(both, PATH, there, here);

test('the time of writing decides, to the nanosecond; what its holder of the key did not write is not newer', () => {
  assert.equal(isNewer(seal('there', 8), seal('here', 7)), true);
  assert.equal(isNewer(seal('there', 7), seal('here', 8)), false);
  assert.equal(isNewer(seal('there', 7, 6), seal('here', 7, 5)), true);
  assert.equal(isNewer(seal('there', 7, 5), seal('here', 7, 6)), false);
  assert.equal(isNewer(seal('there', 7), seal('here', 7)), false, 'two contents of one time');
});

test('the same content is no loss, also where it was sealed anew with another key', () => {
  const here = seal('same', 7, 5, Keyring.fromHex(A));
  assert.equal(isNewer(Buffer.from(here), here), true);
  assert.equal(isNewer(seal('same', 7, 5), here), true);
  assert.equal(isNewer(seal('same', 7, 4), here), false);
});

test('what does not open here is kept', () => {
  for (const here of [Buffer.alloc(0), Buffer.from('no sealed file'), seal('x', 1).subarray(0, 70)])
    assert.equal(isNewer(seal('there', 8), here), false);
});
