/** In place of node:timers/promises. */
import { machine } from './machine.ts';

interface Options {
  signal?: AbortSignal;
  ref?: boolean;
}

function sleep<T>(ms = 0, value?: T, { signal }: Options = {}): Promise<T | undefined> {
  const world = machine();
  const owner = world.current;
  return new Promise((resolve, reject) => {
    const aborted = () =>
      reject(
        Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' }),
      );
    if (signal?.aborted) {
      aborted();
      return;
    }
    const onAbort = () => {
      cancel();
      aborted();
    };
    const cancel = world.schedule(
      Math.max(1, ms),
      () => {
        signal?.removeEventListener('abort', onAbort);
        resolve(value);
      },
      owner,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function immediate<T>(value?: T): Promise<T | undefined> {
  return new Promise((resolve) => machine().schedule(0, () => resolve(value)));
}

export { immediate as setImmediate, sleep as setTimeout };
