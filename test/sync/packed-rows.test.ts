import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Row, RowWriter, unpackRows } from '../../src/sync/ledger/packed-rows.ts';

const count = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32 - 1),
);
const time = fc.oneof(
  fc.maxSafeNat(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
);
/** Also what no bucket and no application makes. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
);
const generation = fc.oneof(
  text,
  count.map(String),
  fc.constantFrom('0', '00', '007', '-0', '1e3', '9007199254740991', '9007199254740993', '1.5', ' 1'),
);
const row: fc.Arbitrary<Row> = fc.record(
  {
    local: fc.constantFrom('same', 'changed', 'absent'),
    remote: fc.option(
      fc.record({ generation, crc32c: count, size: count, updatedMs: time }, { noNullPrototype: true }),
      {
        nil: undefined,
      },
    ),
    refresh: fc.boolean(),
    shadowed: fc.boolean(),
    change: count,
    deletedChange: fc.oneof(fc.constant(0), count),
    movedChange: fc.oneof(fc.constant(0), count),
    dirtySinceMs: time,
  },
  { noNullPrototype: true },
);

test('a packed row says what it said, whatever that is', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, row)), (rows) => {
      const writer = new RowWriter();
      for (const [rest, each] of rows) writer.add(each, rest);
      assert.deepEqual(
        unpackRows(writer.take()),
        rows.map(([rest, each]) => ({ rest, ...each })),
      );
      assert.deepEqual(unpackRows(writer.take()), [], 'it is taken once');
    }),
    { numRuns: 300 },
  );
});

test('a row of a multi-file session takes some forty bytes', () => {
  const writer = new RowWriter();
  const remote = { generation: '1764000000000000', crc32c: 0xffffffff, size: 700, updatedMs: 1764000000000 };
  const settled = { refresh: false, shadowed: false, change: 0, deletedChange: 0, movedChange: 0 };
  writer.add({ local: 'same', remote, ...settled, dirtySinceMs: remote.updatedMs }, 'pre-key-100.json');
  const { length } = writer.take();
  assert.ok(length <= 40, `${length} bytes`);
});
