import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humanLine } from '../../src/observe/human-line.ts';
import { createLogger } from '../../src/observe/log.ts';

function lines(write: (log: ReturnType<typeof createLogger>) => void, colors = false): string {
  let text = '';
  const destination = { write: (line: string) => (text += humanLine(line, colors)) };
  write(createLogger({ level: 'trace', destination: destination as never }));
  return text;
}

test('a line has time of day, level, message and fields', () => {
  const text = lines((log) =>
    log.warn({ session: 'user1-+4915', files: 3, a: { b: [1] } }, 'Held back; wait'),
  );
  assert.match(
    text,
    /^\d\d:\d\d:\d\d WARN {2}Held back; wait session=user1-\+4915 files=3 a=\{"b":\[1\]\}\n$/,
  );
});

test('a text with spaces or quotes is quoted, an error has its stack', () => {
  const text = lines((log) => log.error({ file: 'a "b" c', err: new Error('the disk') }, 'Failed'));
  assert.match(text, /^\S+ ERROR Failed file="a \\"b\\" c"\n {2}Error: the disk\n {2,}at /);
});

test('what is in a name gives the terminal no orders', () => {
  const evil = 'x\u001b]0;owned\u0007\u009b31m\n';
  for (const text of [
    lines((log) => log.info({ file: evil, [evil]: 1 }, evil)),
    humanLine(`no JSON ${evil}`, false),
  ])
    assert.doesNotMatch(text.slice(0, -1), /\p{Cc}/u);
});

test('levels that matter have colors, where they are wanted', () => {
  const write = (log: ReturnType<typeof createLogger>) => log.error({ files: 1 }, 'Failed');
  assert.ok(lines(write, true).includes('\u001b[31mERROR\u001b[0m Failed \u001b[2mfiles=1\u001b[0m'));
  assert.ok(!lines(write, false).includes('\u001b'));
});
