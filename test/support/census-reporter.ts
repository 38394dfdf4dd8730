import type { TestEvent } from 'node:test/reporters';

/**
 * A node:test reporter for scripts/test, not for people: `ran FILE` for each file in which at least one test ran, and
 * `skipped FILE: NAME` for each test marked skip or todo. node:test itself reports a file without tests as passed.
 */
export default async function* census(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const ran = new Set<string>();
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const { name, file, skip, todo } = data;
    const isFileItself = name === file;
    const isSuite = data.details.type === 'suite';
    if (file === undefined || isFileItself || isSuite) continue;
    if (skip || todo) {
      yield `skipped ${file}: ${name}\n`;
    } else if (!ran.has(file)) {
      ran.add(file);
      yield `ran ${file}\n`;
    }
  }
}
