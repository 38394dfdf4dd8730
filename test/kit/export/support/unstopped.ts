import type { Shield } from '../../../../src/kit/export/moment.ts';

/** No signal comes. */
export const unstopped: Shield = (work) => work(new AbortController().signal);
