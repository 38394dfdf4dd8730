/** The variables that hold keys and tokens: taken out of the environment before anything is started, and passed on by messages only. */

/** By name, as they were in the environment. */
export type Secrets = Readonly<Record<string, string>>;

const PREFIXES = ['SESSION_ENCRYPTION_KEY', 'SESSION_HTTP_TOKEN'];

/** Deletes them from `env`: no child inherits them. */
export function takeSecrets(env: NodeJS.ProcessEnv): Secrets {
  const secrets: Record<string, string> = {};
  for (const name of Object.keys(env)) {
    const value = env[name];
    if (!PREFIXES.some((prefix) => name.startsWith(prefix)) || value === undefined) continue;
    secrets[name] = value;
    delete env[name];
  }
  return secrets;
}
