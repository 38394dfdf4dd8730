/** The times of the lease protocol, from the configuration. */
import type { Config } from '../config/load.ts';
import { SessionfsError } from '../lib/errors.ts';
import { checkOrder, type LeaseTimes } from './times.ts';

/** Throws CONFIG_INVALID when the times contradict each other. */
export function leaseTimes(config: Config): LeaseTimes {
  const times = {
    renewIntervalMs: config.leaseLookIntervalMs,
    grantMs: config.leasePermissionMs,
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
  renewIntervalMs: 'SESSION_LEASE_LOOK_INTERVAL',
  grantMs: 'SESSION_LEASE_PERMISSION',
  takeOverMs: 'SESSION_LEASE_TAKEOVER',
  pollMs: 'SESSION_LEASE_POLL',
};

function withVariables(message: string): string {
  return Object.entries(VARIABLES).reduce(
    (text, [name, variable]) => text.replaceAll(name, variable),
    message,
  );
}
