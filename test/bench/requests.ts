/** What the kernel asked sessionfs for while something was measured, as the metrics of the mount count it. */
import { execFileSync } from 'node:child_process';
import { type Measurement, record } from './measurement.ts';

/** By operation, since the mount began. `seconds`: from the request to the reply. */
export type Requests = ReadonlyMap<string, { count: number; seconds: number }>;

/** The operations that have a column of their own; all others change or look up names. */
const SINGLE = ['write', 'read', 'getattr', 'setattr', 'fsync'] as const;
const NAMES = 'names';
const THREAD = 'its thread, us';
const SYNC = 'an fsync, us';

export const REQUEST_COLUMNS: readonly string[] = ['all', ...SINGLE, NAMES, THREAD, SYNC];

const FETCH = 'fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))';

/** Waits without an event loop: what is measured has none. */
export function requestsSoFar(url: string): Requests {
  return parseRequests(
    execFileSync(process.execPath, ['-e', FETCH, url], { encoding: 'utf8', stdio: 'pipe' }),
  );
}

/** `metrics`: in the text format of Prometheus. */
export function parseRequests(metrics: string): Requests {
  const requests = new Map<string, { count: number; seconds: number }>();
  const samples = metrics.matchAll(
    /^sessionfs_operation_duration_seconds_(sum|count)\{operation="(\w+)"\} (\S+)/gm,
  );
  for (const [, kind, operation = '', value] of samples) {
    const one = requests.get(operation) ?? { count: 0, seconds: 0 };
    requests.set(operation, one);
    one[kind === 'sum' ? 'seconds' : 'count'] = Number(value);
  }
  return requests;
}

/**
 * Adds one round to `rows`: what one of `times` transactions asked for between the two looks. Its thread: all that the kernel
 * thread did for it, the replies included. An fsync waits for the disk beside that thread.
 */
export function recordRequests(rows: Measurement, before: Requests, after: Requests, times: number): void {
  const each = [...after].map(([operation, { count, seconds }]) => {
    const was = before.get(operation) ?? { count: 0, seconds: 0 };
    return { operation, count: (count - was.count) / times, us: ((seconds - was.seconds) * 1e6) / times };
  });
  const of = (...names: readonly string[]) => each.filter(({ operation }) => names.includes(operation));
  const others = each.filter(({ operation }) => !(SINGLE as readonly string[]).includes(operation));
  const [syncs] = of('fsync');
  record(rows, 'all', total(each, 'count'));
  for (const name of SINGLE) record(rows, name, total(of(name), 'count'));
  record(rows, NAMES, total(others, 'count'));
  record(rows, THREAD, total(each, 'us') - (syncs?.us ?? 0));
  if (syncs !== undefined && syncs.count > 0) record(rows, SYNC, syncs.us / syncs.count);
}

function total<Key extends string>(each: readonly Record<Key, number>[], key: Key): number {
  return each.reduce((sum, one) => sum + one[key], 0);
}
