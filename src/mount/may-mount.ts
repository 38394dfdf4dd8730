/** What the kernel and mount(8) permit this process. */
import { readFileSync } from 'node:fs';

/** Its number, from <linux/capability.h>. */
const CAP_SYS_ADMIN = 21n;

/**
 * Whether this process may mount with mount(8): that asks for the user root, mount(2) for a capability. A security module may
 * still refuse it.
 */
export function mayMount(status = '/proc/self/status'): boolean {
  const text = readFileSync(status, 'utf8');
  const user = /^Uid:\s*\d+\s+(\d+)/m.exec(text)?.[1];
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? '0';
  return user === '0' && ((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}
