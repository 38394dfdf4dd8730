/** An invariant that does not hold: what a run of the simulation ends with when it has found something. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, details: string) {
    super(`${invariant}: ${details}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}
