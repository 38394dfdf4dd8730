/**
 * Baileys, as it is installed. Where WORKLOAD_BAILEYS names a file, it is taken from that: all of it in one, with a cache of compiled
 * code beside it (test/support/baileys-file.ts), which loads with a third of the processor time.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';

function fromFile(filename) {
  const text = `(function (exports, require, module) {${readFileSync(filename, 'utf8')}\n})`;
  const script = new Script(text, { filename, cachedData: readFileSync(`${filename}.cache`) });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(filename), module);
  return module.exports;
}

const file = process.env.WORKLOAD_BAILEYS;
export const baileys = file === undefined ? await import('@whiskeysockets/baileys') : fromFile(file);
