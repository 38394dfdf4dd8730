import assert from 'node:assert/strict';
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

  it('does not take a bare number or word on a line of its own: it may be cut', () => {
    for (const text of ['{"a":1}\n1', '{"a":1}\n12\n', '[1]\ntrue', '"a"\n1']) {
      assert.equal(judgePieces(Buffer.from(text)), 'incomplete', text);
      assert.equal(judge(Buffer.from(text)), 'incomplete', `the model: ${text}`);
    }
    for (const text of ['{"a":1}\n[1]', '"a"\n"b"\n'])
      assert.equal(judge(Buffer.from(text)), judgePieces(Buffer.from(text)), text);
  });

  it('takes several values on lines of their own', () => {
    assert.equal(whole('{"a":1}\n{"b":2}\n'), 'complete');
    assert.equal(judgePieces(Buffer.from('{"a":1}\n{"b":2}\n')), 'complete');
    assert.equal(whole('{"a":1}\n{"b":'), 'incomplete');
    assert.equal(whole('{"a":1}{"b":2}'), 'incomplete');
  });

  it('takes a value over several lines only alone', () => {
    assert.equal(judgePieces(Buffer.from('{\n}\n')), 'complete');
    for (const text of ['{}\n{\n}\n', '{\n}\n{}\n'])
      assert.equal(judgePieces(Buffer.from(text)), 'incomplete');
  });

  it('knows after a change that failed which brackets were open before it', () => {
    const scanner = new JsonScanner();
    scanner.feed(Buffer.from('[{'));
    const change = Buffer.from('},[');
    const saved = scanner.save(change.length);
    scanner.feed(change);
    scanner.restore(saved);
    scanner.feed(Buffer.from('}]'));
    assert.equal(scanner.verdict, 'complete');
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

  it('sees what a parser sees in what is almost JSON, however it comes', () => {
    const token = fc.oneof(
      fc.constantFrom(...'{}[],:"\\ \n\r\t\0\u001f-+.0eEu19tfnaé'),
      fc.constantFrom(
        'true',
        'false',
        'null',
        '"a"',
        '"k":',
        '\\u00e9',
        '1.5',
        '-0',
        '2e+1',
        '{"a":',
        '"\\',
        '}\n',
      ),
    );
    const almost = fc.oneof(
      fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join('')),
      fc.array(token, { maxLength: 10 }).map((tokens) => `[${tokens.join('')}]`),
      fc.array(token, { maxLength: 10 }).map((tokens) => `{"a":${tokens.join('')}}\n`),
      fc.tuple(fc.json(), fc.nat(), token).map(([text, at, other]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + other + text.slice(cut + 1);
      }),
    );
    fc.assert(
      fc.property(almost, fc.array(fc.nat(6), { maxLength: 8 }), (text, cuts) => {
        const bytes = Buffer.from(text);
        const expected = judge(bytes);
        assert.equal(judgePieces(bytes), expected, JSON.stringify(text));
        const scanner = new JsonScanner();
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          const piece = bytes.subarray(from, from + cut);
          const saved = scanner.save(piece.length);
          scanner.feed(Buffer.from(']}"'.repeat(piece.length).slice(0, piece.length)));
          scanner.restore(saved);
          scanner.feed(piece);
          from += piece.length;
        }
        assert.equal(scanner.verdict, expected, JSON.stringify(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it('takes any depth', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    assert.equal(judgePieces(Buffer.from(deep)), 'complete');
    assert.equal(judgePieces(Buffer.from(`${deep}]`)), 'incomplete');
  });
});
