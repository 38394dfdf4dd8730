import assert from 'node:assert/strict';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { bundledProgram } from './cli-main.ts';
import { temporaryDirectory } from './temporary-directory.ts';

test('no test runs a bundle that is missing or older than what tsc made', (t) => {
  const dist = temporaryDirectory(t);
  const [program, compiled] = [join(dist, 'bundle/cli/main.js'), join(dist, 'src/lib/a.js')];
  for (const path of [program, compiled]) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
  }
  utimesSync(compiled, 1000, 1000);
  utimesSync(program, 1001, 1001);
  assert.equal(bundledProgram(dist), program);
  utimesSync(compiled, 1002, 1002);
  assert.throws(() => bundledProgram(dist), /main\.js is older than .*a\.js: run `npm run build`/);
  rmSync(program);
  assert.throws(() => bundledProgram(dist), /npm run build/);
});
