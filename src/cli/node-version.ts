/** Loaded before everything else, so it uses nothing that an old node lacks. */
const OLDEST = 20;

/** Ends the process with one clear line where node is too old. */
export function requireNode(version: string): void {
  if (Number.parseInt(version, 10) >= OLDEST) return;
  process.stderr.write(`sessionfs: this is Node.js ${version}, but sessionfs needs ${OLDEST} or newer\n`);
  process.stderr.write(
    `  ${process.execPath} is the one that runs: install a newer one, or put it first in PATH.\n`,
  );
  process.exit(1);
}
