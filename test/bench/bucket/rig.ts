/** An emulated bucket behind the proxy, and mounts in hybrid mode on it. */
import { randomBytes } from 'node:crypto';
import { cleanUp, type Scope } from '../../support/cleanup.ts';
import { createTestBucket, startGcsEmulator } from '../../support/gcs-emulator-process.ts';
import { type GcsProxy, startGcsProxy } from '../../support/gcs-proxy.ts';
import { type Mounted, mountSessionfs } from '../../support/mount-sessionfs.ts';
import type { RequestKind } from '../../support/store-proxy.ts';

const EXIT_HANG_MS = 30_000;

export interface Rig {
  /** What mounts and copiers talk to. */
  readonly proxy: GcsProxy;
  /** A new and empty bucket; its name. */
  newBucket(): Promise<string>;
  /** A new mount, with an empty cache, that uploads only when it is asked to. `env` wins. */
  mount(scope: Scope, bucket: string, env?: Readonly<Record<string, string>>): Promise<Mounted>;
  /** Every request waits that long before the store hears of it: a network's round trip. */
  setLatency(ms: number): void;
}

export async function openRig(scope: Scope): Promise<Rig> {
  const { daemon, url } = startGcsEmulator();
  cleanUp(scope, async () => {
    daemon.killAll();
    await daemon.waitForExit(EXIT_HANG_MS);
  });
  const emulator = await url;
  const proxy = await startGcsProxy(scope, emulator);
  const key = randomBytes(32).toString('hex');
  return {
    proxy,
    newBucket: () => createTestBucket(emulator),
    mount: (mountScope, bucket, env = {}) =>
      mountSessionfs(mountScope, {
        env: {
          SESSION_STORAGE_TYPE: 'hybrid',
          STORAGE_BUCKET: bucket,
          STORAGE_EMULATOR_HOST: proxy.url,
          SESSION_ENCRYPTION_KEY: key,
          SESSION_BACKUP_INTERVAL: '0',
          ...env,
        },
      }),
    setLatency(ms) {
      proxy.clear();
      if (ms > 0) proxy.inject({ fault: { latencyMs: ms } });
    },
  };
}

/** How Google charges a request; 'other' is none of ours. */
export type Charge = 'A' | 'B' | 'free';

const CHARGES: Readonly<Record<RequestKind, Charge>> = {
  list: 'A',
  put: 'A',
  get: 'B',
  head: 'B',
  config: 'B',
  delete: 'free',
  restore: 'A',
  other: 'A',
};

/** Of the requests that came after the first `from`. */
export function countCharges(proxy: GcsProxy, from: number): Record<Charge, number> {
  const counts: Record<Charge, number> = { A: 0, B: 0, free: 0 };
  for (const { kind } of proxy.requests.slice(from)) counts[CHARGES[kind]]++;
  return counts;
}
