/** A rolling deployment, again and again: the next instance starts, the one before gets SIGTERM, Baileys goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count } from '../crash/support/counts.ts';
import { logLines } from '../hybrid/support.ts';
import { workloadSucceeds } from '../support/run-workload.ts';
import { Instances } from './support/instances.ts';
import { writing } from './support/writers.ts';

const DEPLOYS = count(3, 20);
const INIT = ['--mode', 'init', '--k', '2', '--m', '10', '--prekeys', '30', '--contacts', '5'];
const options = { timeout: count(240_000, 3_600_000) };

for (const mode of ['hybrid', 'cloud'] as const) {
  test(`${mode}: ${DEPLOYS} rolling deployments, no account is lost`, options, async (t) => {
    const all = await Instances.start(t, mode);
    let running = await all.mount();
    await workloadSucceeds(running.mounted.mountPoint, ...INIT);
    for (let deploy = 0; deploy < DEPLOYS; deploy++) {
      const next = await all.mount();
      // It is up before the other one goes, and waits for each session.
      const resumed = workloadSucceeds(next.mounted.mountPoint, '--mode', 'resume', '--rounds', '3');
      resumed.catch(() => {});
      await running.mounted.unmount();
      const { resume } = await resumed;
      assert.deepEqual([resume?.accounts, resume?.errors], [2, []]);
      for (const { mounted } of [running, next])
        assert.deepEqual(
          logLines(mounted).filter(({ level }) => level === 'error'),
          [],
        );
      running = next;
    }
    await workloadSucceeds(running.mounted.mountPoint, '--mode', 'check');
    await running.mounted.unmount();
    const { faults, changes, turns } = writing(all.proxies);
    t.diagnostic(`${changes} changes of files, ${turns} times a session went to another mount`);
    assert.deepEqual(faults, []);
    assert.equal(turns, 2 * (DEPLOYS + 1));
  });
}
