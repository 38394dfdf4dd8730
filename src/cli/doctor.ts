/** `sessionfs doctor`: the first thing to run where something does not work. */
import { statusOf } from '../api/locate.ts';
import { examine, verdictOf } from '../kit/doctor/doctor.ts';
import type { Finding } from '../kit/doctor/finding.ts';
import { exitStatus } from '../lib/errors.ts';
import { countText } from '../lib/human.ts';
import { requirePlainMountPoint } from '../supervisor/resources.ts';
import { type Invocation, print, printJson, printText } from './command.ts';
import { ownNamespace } from './own-namespace.ts';
import { flagsOf } from './setting-flags.ts';

const MARKS = { ok: 'ok', warning: 'WARNING', failed: 'FAILED', unknown: 'unknown' } as const;
/** Two blanks behind the longest name of a check. */
const CHECK_WIDTH = 24;
const MARK_WIDTH = 8;
const STATUS = {
  ok: 0,
  unknown: 0,
  warning: exitStatus.DOCTOR_WARNING,
  failed: exitStatus.DOCTOR_FAILED,
} as const;

export async function run(invocation: Invocation): Promise<number> {
  const { given, env, secrets } = invocation;
  const isJson = given.has('--json');
  const findings: Finding[] = [];
  const examination = examine({
    env: { ...env, ...secrets },
    flags: flagsOf(invocation),
    rootless: (config) => {
      const own = ownNamespace(config);
      return own.kind === 'permitted' ? undefined : own.reason;
    },
    requirePlainMountPoint,
    requireAnswer: async (path) => {
      await statusOf(path, 'for its status');
    },
  });
  for await (const line of examination) {
    findings.push(line);
    if (!isJson) printText(asText(line));
  }
  const verdict = verdictOf(findings);
  const counted = (result: Finding['result']) => findings.filter((line) => line.result === result).length;
  if (isJson) printJson({ verdict, findings });
  else
    print(
      `\n${counted('ok')} ok, ${countText(counted('warning'), 'warning')}, ${counted('failed')} failed, ${counted('unknown')} unknown`,
    );
  return STATUS[verdict];
}

function asText({ check, result, text, hint }: Finding): string {
  const line = `${MARKS[result].padEnd(MARK_WIDTH)}${check.padEnd(CHECK_WIDTH)}${text}`;
  return hint === undefined ? line : `${line}\n${' '.repeat(MARK_WIDTH + CHECK_WIDTH)}${hint}`;
}
