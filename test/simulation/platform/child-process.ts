/** In place of node:child_process: the only child that a daemon has is sync(1), which brings a filesystem to the disk. */
import { EventEmitter } from 'node:events';
import { later } from './fs.ts';
import { machine } from './machine.ts';

const EXIT_FAILED = 1;

export function spawn(command: string, [option, path]: readonly string[]): EventEmitter {
  if (command !== 'sync' || option !== '-f' || path === undefined)
    throw new Error(`${command} is not simulated`);
  const child = new EventEmitter();
  const disk = machine().disk(path);
  const end = (code: number) => {
    child.emit('exit', code, null);
    child.emit('close', code, null);
  };
  later(() => disk.operation(() => disk.syncAll())).then(
    () => end(0),
    () => end(EXIT_FAILED),
  );
  return child;
}

export function spawnSync(command: string): never {
  throw new Error(`${command} is not simulated`);
}
