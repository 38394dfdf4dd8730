/** Hands the keys to another process of sessionfs that was started with an IPC channel: an environment could be read. */
import type { ChildProcess } from 'node:child_process';
import type { Secrets } from '../lib/secrets.ts';

interface SecretsMessage {
  readonly type: 'secrets';
  readonly secrets: Secrets;
}

/** A process that has ended meanwhile needs none. */
export function sendSecrets(child: ChildProcess, secrets: Secrets): void {
  const message: SecretsMessage = { type: 'secrets', secrets };
  if (child.connected) child.send(message, () => {});
}

/** The first message of the process that started this one; no keys where that has ended. */
export function receiveSecrets(): Promise<Secrets> {
  return new Promise((resolve) => {
    if (!process.connected) resolve({});
    process.once('disconnect', () => resolve({}));
    process.once('message', (message) => {
      const { type, secrets } = message as Partial<SecretsMessage>;
      resolve(type === 'secrets' && secrets !== undefined ? secrets : {});
    });
  });
}
