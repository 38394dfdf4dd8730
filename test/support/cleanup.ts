/** What a helper needs of a test to clean up after itself: a `TestContext`, or `{ after }` of node:test kept for a suite. */
export interface Scope {
  after(cleanup: () => Promise<void>): void;
}

type Cleanup = () => void | Promise<void>;

const stacks = new WeakMap<Scope, Cleanup[]>();

/**
 * Runs `cleanup` after the test, also when it fails: the last one registered first, so that a mount goes before the folder
 * it lies in (node:test runs its own hooks in the order of registration). One that throws does not keep the others from
 * running; the first error is thrown in the end.
 */
export function cleanUp(scope: Scope, cleanup: Cleanup): void {
  const known = stacks.get(scope);
  if (known) {
    known.push(cleanup);
    return;
  }
  const stack = [cleanup];
  stacks.set(scope, stack);
  scope.after(() => runAll(stack));
}

async function runAll(stack: Cleanup[]): Promise<void> {
  const errors: unknown[] = [];
  for (let cleanup = stack.pop(); cleanup; cleanup = stack.pop()) {
    try {
      await cleanup();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
