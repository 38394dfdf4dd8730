/** The times of a lease, taken from the configuration. */
import type { Config } from '../config/load.ts';
import { SessionfsError } from '../lib/errors.ts';
import { checkOrder, type LeaseTimes } from './times.ts';

/** Throws CONFIG_INVALID where the times do not fit together. */
export function leaseTimes(config: Config): LeaseTimes {
  const times = {
    lookIntervalMs: config.leaseLookIntervalMs,
    permissionMs: config.leasePermissionMs,
    takeOverMs: config.leaseTakeOverMs,
    pollMs: config.leasePollMs,
  };
  try {
    checkOrder(times);
  } catch (cause) {
    throw new SessionfsError('CONFIG_INVALID', withVariables((cause as Error).message), {
      cause,
      hint: 'SESSION_LEASE_LOOK_INTERVAL, SESSION_LEASE_PERMISSION and SESSION_LEASE_TAKEOVER must grow in this order: leave them alone, or change all three.',
    });
  }
  return times;
}

const VARIABLES: Readonly<Record<keyof LeaseTimes, string>> = {
  lookIntervalMs: 'SESSION_LEASE_LOOK_INTERVAL',
  permissionMs: 'SESSION_LEASE_PERMISSION',
  takeOverMs: 'SESSION_LEASE_TAKEOVER',
  pollMs: 'SESSION_LEASE_POLL',
};

function withVariables(message: string): string {
  return Object.entries(VARIABLES).reduce(
    (text, [name, variable]) => text.replaceAll(name, variable),
    message,
  );
}
