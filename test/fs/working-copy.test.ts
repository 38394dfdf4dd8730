import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WorkingCopy } from '../../src/fs/model/working-copy.ts';

const MIB = 1024 * 1024;

test('a large file that grows stays where it is: its bytes are not copied again and again', () => {
  const working = WorkingCopy.empty(false, 0);
  const piece = Buffer.alloc(MIB, 7);
  const places = new Set<ArrayBufferLike>();
  for (let i = 0; i < 40; i++) {
    working.write(i * MIB, piece, 0);
    places.add(working.view().buffer);
  }
  assert.equal(places.size, 1);
  assert.ok(working.view().equals(Buffer.alloc(40 * MIB, 7)));
});

test('what was seen of it before it grew stays as it was', () => {
  const working = WorkingCopy.empty(false, 0);
  working.write(0, Buffer.alloc(4 * MIB, 1), 0);
  const before = working.view();
  working.write(4 * MIB, Buffer.alloc(MIB, 2), 0);
  assert.ok(before.equals(Buffer.alloc(4 * MIB, 1)));
});

test('a file that outgrows the addresses that were reserved for it goes on in new ones', () => {
  const working = WorkingCopy.empty(false, 0);
  working.write(0, Buffer.alloc(MIB, 1), 0);
  const place = working.view().buffer;
  working.write(70 * MIB, Buffer.from('end'), 0);
  assert.notEqual(working.view().buffer, place);
  assert.equal(working.length, 70 * MIB + 3);
  assert.ok(working.view().subarray(0, MIB).equals(Buffer.alloc(MIB, 1)));
  assert.ok(
    working
      .view()
      .subarray(MIB, 70 * MIB)
      .every((byte) => byte === 0),
  );
});

const step = fc.oneof(
  fc.record({
    do: fc.constant('write' as const),
    at: fc.nat(6 * MIB),
    bytes: fc.integer({ min: 1, max: 2 * MIB }),
  }),
  fc.record({ do: fc.constant('truncate' as const), at: fc.nat(7 * MIB) }),
);

test('writes and truncations on both sides of a megabyte give what a plain file would have', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const working = WorkingCopy.of(Buffer.from('begin'), false, 0);
      let expected: Buffer = Buffer.from('begin');
      for (const [index, each] of steps.entries()) {
        const end = each.do === 'write' ? Math.max(expected.length, each.at + each.bytes) : each.at;
        const next = Buffer.alloc(end);
        expected.copy(next);
        if (each.do === 'write') {
          next.fill(index + 1, each.at, each.at + each.bytes);
          working.write(each.at, Buffer.alloc(each.bytes, index + 1), 0);
        } else {
          working.truncate(each.at, 0);
        }
        expected = next;
        assert.ok(working.view().equals(expected));
      }
    }),
    { numRuns: 30 },
  );
});
