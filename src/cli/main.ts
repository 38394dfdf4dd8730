#!/usr/bin/env node
/** Uses nothing that an old node lacks, until it knows that this node will do. */
const OLDEST_NODE = 20;

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) refuseNode();
// An older node may not even understand what this loads.
const { takeSecrets } = await import('../lib/secrets.ts');
const { ignoreDebugSignal } = await import('../lib/process-protection.ts');
ignoreDebugSignal();
// Before anything is started that would inherit them.
const secrets = takeSecrets(process.env);
const { dispatch } = await import('./dispatch.ts');

// Leaves at once: a system call that hangs in a mount must not keep a command that has its answer.
process.exit(await dispatch(process.argv.slice(2), process.env, secrets));

/** Ends the process with one clear line. */
function refuseNode(): never {
  const { execPath, versions } = process;
  process.stderr.write(
    `sessionfs: this is Node.js ${versions.node}, but sessionfs needs ${OLDEST_NODE} or newer\n`,
  );
  process.stderr.write(`  ${execPath} is the one that runs: install a newer one, or put it first in PATH.\n`);
  process.exit(1);
}
