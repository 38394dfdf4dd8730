/** The times of nodes, from the filesystem's clock. */

import type { Clock } from '../../lib/clock.ts';
import type { Node } from '../model/node.ts';

export interface NodeTimes {
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
}

export function timesOf(node: Node): NodeTimes {
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = node;
  return { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
}

interface Timed {
  readonly clock: Clock;
}

/** Content changed now. */
export function touch(core: Timed, node: Node): void {
  const ms = core.clock.wallMs();
  const sec = Math.floor(ms / 1000);
  const nsec = Math.floor((ms - sec * 1000) * 1e6);
  node.mtimeSec = node.ctimeSec = sec;
  node.mtimeNsec = node.ctimeNsec = nsec;
}

/** Metadata changed now. */
export function touchChange(core: Timed, node: Node): void {
  const ms = core.clock.wallMs();
  node.ctimeSec = Math.floor(ms / 1000);
  node.ctimeNsec = Math.floor((ms - node.ctimeSec * 1000) * 1e6);
}

/** A node that begins to exist now. */
export function touchAll(core: Timed, node: Node): void {
  touch(core, node);
  node.atimeSec = node.mtimeSec;
  node.atimeNsec = node.mtimeNsec;
}
