import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { JsonScanner, judgePieces, judgeWhole } from '../../src/fs/model/json-gate.ts';
import { judge } from './reference-model.ts';

const whole = (text: string) => judgeWhole(Buffer.from(text));

describe('the JSON gate', () => {
  it('calls what a serializer wrote complete', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()), fc.string()),
        (value) => {
          assert.equal(whole(JSON.stringify(value)), 'complete');
          assert.equal(whole(`${JSON.stringify(value, undefined, 2)}\n`), 'complete');
        },
      ),
    );
  });

  it('calls no cut of it complete, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), (value) => {
        const bytes = Buffer.from(JSON.stringify(value));
        for (let length = 0; length < bytes.length; length++) {
          assert.equal(judgeWhole(bytes.subarray(0, length)), 'incomplete');
          assert.equal(judgePieces(bytes.subarray(0, length)), 'incomplete');
        }
      }),
      { numRuns: 300 },
    );
  });

  it('sees the same in pieces as in one', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.nat(20)), (value, cuts) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const scanner = new JsonScanner();
        let from = 0;
        for (const cut of cuts) {
          scanner.feed(bytes.subarray(from, from + cut));
          from = Math.min(bytes.length, from + cut);
        }
        scanner.feed(bytes.subarray(from));
        assert.equal(scanner.verdict, judgeWhole(bytes));
        assert.equal(scanner.position, bytes.length);
      }),
    );
  });

  it('holds a shorter document over the rest of a longer one back', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (value) => {
        const rest = JSON.stringify(value).slice(1);
        assert.equal(judgePieces(Buffer.from(`{"new":1}${rest}`)), 'incomplete');
      }),
    );
  });

  it('takes several values on lines of their own', () => {
    assert.equal(whole('{"a":1}\n{"b":2}\n'), 'complete');
    assert.equal(judgePieces(Buffer.from('{"a":1}\n{"b":2}\n')), 'complete');
    assert.equal(whole('{"a":1}\n{"b":'), 'incomplete');
    assert.equal(whole('{"a":1}{"b":2}'), 'incomplete');
  });

  it('knows what is not JSON from its first byte', () => {
    for (const text of ['plain', '<xml/>', '\ufeff{}', 'null', '12', '-1'])
      assert.equal(whole(text), 'plain');
    for (const text of ['', ' \n', '{', '"open', '}', ']']) assert.notEqual(whole(text), 'complete');
  });

  it('is not misled by brackets and quotes in strings', () => {
    assert.equal(whole('{"a":"}\\"}"'), 'incomplete');
    assert.equal(whole('{"a":"}\\"}"}'), 'complete');
    assert.equal(whole('{"a":"\\\\"}'), 'complete');
  });

  it('agrees with a parser on everything that a serializer can have written, whole or cut', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, at) => {
        const piece = Buffer.from(text).subarray(0, at % (text.length + 1));
        assert.equal(judgePieces(piece), judge(piece));
      }),
    );
  });

  it('takes what is longer than any string by its brackets', () => {
    const long = Buffer.alloc(constants.MAX_STRING_LENGTH + 1);
    assert.equal(judgePieces(long, 'complete'), 'complete');
    assert.equal(judgePieces(long, 'incomplete'), 'incomplete');
  });
});
