/** The command itself, in a node that will do. */
import { ignoreDebugSignal } from '../lib/process-protection.ts';
import { takeSecrets } from '../lib/secrets.ts';
import { dispatch } from './dispatch.ts';

ignoreDebugSignal();
// Before anything is started that would inherit them.
const secrets = takeSecrets(process.env);

void dispatch(process.argv.slice(2), process.env, secrets).then((status) => {
  // Leaves at once: a system call that hangs in a mount must not keep a command that has its answer.
  process.exit(status);
});
