/** How often things go wrong: mean milliseconds between them; 0: never. */
import type { Machine } from './platform/machine.ts';

/** Some of them: each world has a climate of its own. `spared`: what it does not know. */
export function climateFrom<T extends string>(
  machine: Machine,
  means: Readonly<Record<T, number>>,
  spared: readonly string[],
): Record<T, number> {
  const climate: Record<T, number> = { ...means };
  for (const trouble of Object.keys(means) as T[]) {
    const happens = machine.once(2);
    if (!happens || spared.includes(trouble)) climate[trouble] = 0;
  }
  return climate;
}

/** Again and again, until it is over. */
export function repeat(machine: Machine, meanMs: number, isOver: () => boolean, happen: () => void): void {
  if (meanMs === 0) return;
  machine.schedule(
    machine.chance.below(2 * meanMs),
    () => {
      if (isOver()) return;
      happen();
      repeat(machine, meanMs, isOver, happen);
    },
    null,
  );
}
