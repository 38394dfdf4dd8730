/**
 * The name that was probably meant: at most a third of its letters away. Undefined where nothing is near. Of two that are
 * as near the longer one: a letter is rather forgotten than added.
 */
export function nearestName(typed: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((name) => ({ name, distance: editDistance(typed, name) }))
    .filter(({ name, distance }) => distance * 3 <= name.length)
    .sort((a, b) => a.distance - b.distance || b.name.length - a.name.length);
  return best?.name;
}

/** Insertions, deletions and substitutions between two strings (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...from].entries()) {
    const current = [row + 1];
    for (let column = 0; column < to.length; column++) {
      const substituted = (previous[column] ?? 0) + (to[column] === letter ? 0 : 1);
      current.push(Math.min(substituted, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
