#!/usr/bin/env node
/** Uses nothing that an old node lacks, until it knows that this node will do. */
const OLDEST_NODE = 20;

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) refuseNode();
// An older node may not even understand what this loads.
void import('./program.ts');

/** Ends the process with one clear line. */
function refuseNode(): never {
  const { execPath, versions } = process;
  process.stderr.write(
    `sessionfs: this is Node.js ${versions.node}, but sessionfs needs ${OLDEST_NODE} or newer\n`,
  );
  process.stderr.write(`  ${execPath} is the one that runs: install a newer one, or put it first in PATH.\n`);
  process.exit(1);
}
