/** The everyday faults of a network and a store: no application on the mount notices, and nothing is missing on the next machine. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isFull } from '../crash/support/counts.ts';
import { difference } from '../mounted/session-files.ts';
import type { GcsProxy } from '../support/gcs-proxy.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import type { Fault } from '../support/store-proxy.ts';
import { untilSlow } from '../support/until.ts';
import { Cloud, filesBelow, flushAll } from './support/cloud.ts';
import { logLines, statusOf } from './support.ts';

const FAULTS: readonly Fault[] = [{ status: 503 }, { status: 429 }, 'reset', 'lost-answer'];
/** Of each kind: 5 % of all requests together. */
const PROBABILITY = 0.01;
const LATENCY_MS = 3;
/** Uploads go on while they strike. */
const STRUCK_MIN = 15;
/** A quarter of the keys that an account makes for itself: each is a request to an emulator that shares our two cores. */
const INIT = ['--mode', 'init', '--k', '2', '--m', '60', '--prekeys', '120', '--contacts', '20'];
const options = { timeout: 180_000 };

/** Counts the lots that fell on a fault. */
class Lots {
  struck = 0;
  readonly cast = (): number => {
    const lot = Math.random();
    if (lot < PROBABILITY) this.struck++;
    return lot;
  };
}

function injectAll(proxy: GcsProxy): void {
  proxy.inject({ fault: { latencyMs: LATENCY_MS } });
  for (const fault of FAULTS) proxy.inject({ fault, probability: PROBABILITY });
  // The SDK sees a cut answer to an upload only at its deadline, 15 s later: that is for those who have the time.
  proxy.inject({ fault: 'cut', probability: PROBABILITY, match: ({ kind }) => isFull || kind === 'get' });
}

function report(t: TestContext, { proxy }: Cloud, lots: Lots, phase: string): void {
  const kinds = (['list', 'get', 'head', 'put', 'delete'] as const).map(
    (kind) => `${proxy.count(kind)} ${kind}`,
  );
  t.diagnostic(`${phase}: ${kinds.join(', ')}; ${lots.struck} of them failed`);
}

test(
  'under 5 % faults a session goes up whole, and comes down whole on another machine',
  options,
  async (t) => {
    const lots = new Lots();
    const cloud = await Cloud.start(t, lots.cast);
    const first = await cloud.mount({ SESSION_BACKUP_INTERVAL: '1000' });
    injectAll(cloud.proxy);
    const { init } = await workloadSucceeds(first.mountPoint, ...INIT);
    assert.deepEqual(init, { direct: 60, group: 6, errors: [] });
    await untilSlow(() => lots.struck >= STRUCK_MIN);
    const dirty = (await statusOf(first)).dirty;
    cloud.proxy.clear();
    // A backup under way may still meet a fault: the flush that joins it would fail with it.
    await cloud.settled();
    await flushAll(first);
    assert.equal((await statusOf(first)).dirty, 0);
    report(t, cloud, lots, `init left ${dirty} files dirty, then everything went`);
    // What Node complains of by itself would be no JSON.
    assert.deepEqual(
      first
        .log()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('{')),
      [],
    );
    const before = await filesBelow(first.mountPoint);
    await first.kill();

    injectAll(cloud.proxy);
    const second = await cloud.mount();
    assert.deepEqual(difference(await filesBelow(second.mountPoint), before), []);
    cloud.proxy.clear();
    const restored = logLines(second).filter(({ msg }) => msg === 'Session restored from Cloud Storage');
    t.diagnostic(restored.map(({ files, ms }) => `restored ${files} files in ${ms} ms`).join(', '));
    report(t, cloud, lots, 'restored');
    const { resume } = await workloadSucceeds(second.mountPoint, '--mode', 'resume');
    assert.deepEqual([resume?.accounts, resume?.errors], [2, []]);
    await workloadSucceeds(second.mountPoint, '--mode', 'check');
    await second.unmount();
  },
);
