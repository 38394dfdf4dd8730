import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { httpToken } from '../../src/daemon/http-token.ts';
import { SessionfsError } from '../../src/lib/errors.ts';
import { takeSecrets } from '../../src/lib/secrets.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const TOKEN = '0123456789abcdef';

/** As a daemon gets it: what is secret has been taken out of the environment. */
function tokenOf(env: Record<string, string>): string | undefined {
  const rest = { ...env };
  const secrets = takeSecrets(rest);
  assert.deepEqual(
    Object.keys(rest).filter((name) => name.startsWith('SESSION_HTTP_TOKEN')),
    [],
  );
  return httpToken(loadConfig({ ...rest, ...secrets }, {}), secrets);
}

function refusal(env: Record<string, string>): SessionfsError {
  try {
    tokenOf(env);
  } catch (error) {
    if (error instanceof SessionfsError) return error;
  }
  return assert.fail('nothing was refused');
}

test('the token comes from the environment, or from a file, without the end of its line', (t) => {
  const file = join(temporaryDirectory(t), 'token');
  writeFileSync(file, `${TOKEN}\n`);
  assert.equal(tokenOf({}), undefined);
  assert.equal(tokenOf({ SESSION_HTTP_TOKEN: '' }), undefined);
  assert.equal(tokenOf({ SESSION_HTTP_TOKEN: TOKEN }), TOKEN);
  assert.equal(tokenOf({ SESSION_HTTP_TOKEN_FILE: file }), TOKEN);
});

test('a token that can be guessed or read in two ways, and a file without one, stop the start and are not repeated', (t) => {
  const file = join(temporaryDirectory(t), 'token');
  writeFileSync(file, '');
  const [fifo, large] = [`${file}.fifo`, `${file}.large`];
  execFileSync('mkfifo', [fifo]);
  writeFileSync(large, '');
  truncateSync(large, 3 * 2 ** 30);
  for (const [env, said] of [
    [
      { SESSION_HTTP_TOKEN: 'fifteen-letters' },
      /^SESSION_HTTP_TOKEN must hold a token of at least 16 .* it has 15$/,
    ],
    [{ SESSION_HTTP_TOKEN: `${TOKEN} ${TOKEN}` }, /^SESSION_HTTP_TOKEN must hold a token/],
    [{ SESSION_HTTP_TOKEN_FILE: file }, /^the file .*token must hold a token of at least 16 .* it has 0$/],
    [{ SESSION_HTTP_TOKEN_FILE: `${file}s` }, /^the token file .*tokens cannot be read: ENOENT$/],
    [{ SESSION_HTTP_TOKEN_FILE: fifo }, /^the token file .*fifo cannot be read: it is not a regular file$/],
    [{ SESSION_HTTP_TOKEN_FILE: '/dev/zero' }, /zero cannot be read: it is not a regular file$/],
    [{ SESSION_HTTP_TOKEN_FILE: large }, /large cannot be read: it has 3221225472 bytes$/],
    [{ SESSION_HTTP_TOKEN: TOKEN, SESSION_HTTP_TOKEN_FILE: file }, /are both set$/],
  ] as const) {
    const { code, message, hint } = refusal(env);
    assert.equal(code, 'CONFIG_INVALID');
    assert.match(message, said);
    assert.ok(hint !== undefined && !`${message}${hint}`.includes(TOKEN) && !message.includes('fifteen'));
  }
});
