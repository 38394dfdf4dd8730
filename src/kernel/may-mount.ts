/** What the kernel permits this process. */
import { readFileSync } from 'node:fs';

/** Its number, from <linux/capability.h>. */
const CAP_SYS_ADMIN = 21n;

/** Whether this process may call mount(2) as far as the kernel's capabilities go; a security module may still refuse it. */
export function mayMount(status = '/proc/self/status'): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(status, 'utf8'))?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}
