/** The emulator of Google Cloud Storage, behind a proxy that enforces the preconditions which it ignores. */
import type { Scope } from './cleanup.ts';
import { GcsStore } from './gcs-proxy-store.ts';
import { StoreProxy } from './store-proxy.ts';

export interface GcsProxy extends StoreProxy {
  /** Rules that the buckets show, as in `{ rule: [{ action: { type: 'Delete' }, condition: { age: 30 } }] }`. */
  lifecycle: object | undefined;
  /** What testIamPermissions says is granted; undefined: it is not there, as the emulator has it. */
  permissions: readonly string[] | undefined;
  /** Settings that the buckets show beside their own, as in `{ softDeletePolicy: { retentionDurationSeconds: '604800' } }`. */
  settings: object | undefined;
  /** The buckets keep what is replaced or deleted, as soft delete does; for ever. */
  softDelete: boolean;
  /** As other emulators answer: without `size` for empty objects, and without the date and length of downloads. */
  terse: boolean;
}

/** On any free port, until the scope ends. */
export async function startGcsProxy(
  scope: Scope,
  emulatorUrl: string,
  random = Math.random,
): Promise<GcsProxy> {
  const store = new GcsStore(emulatorUrl);
  const proxy = await StoreProxy.start(scope, store, random);
  const property = <Name extends 'lifecycle' | 'permissions' | 'settings' | 'softDelete' | 'terse'>(
    name: Name,
  ) => ({
    get: () => store[name],
    set: (value: GcsStore[Name]) => {
      store[name] = value;
    },
  });
  return Object.defineProperties(proxy, {
    lifecycle: property('lifecycle'),
    permissions: property('permissions'),
    settings: property('settings'),
    softDelete: property('softDelete'),
    terse: property('terse'),
  }) as GcsProxy;
}
