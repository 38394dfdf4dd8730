/** In place of node:os: each process has a machine of its own. */
import os from 'node:os';
import { machine } from './machine.ts';

export const { constants, tmpdir } = os;

export function hostname(): string {
  return machine().current?.name.replace(/ .*/, '') ?? 'world';
}

export function release(): string {
  return '6.1.0';
}

export default { ...os, hostname, release };
