import { cryptoMutations } from './feared/crypto.ts';
import { durableMutations } from './feared/durable.ts';
import { journalMutations } from './feared/journal.ts';
import { leaseMutations } from './feared/lease.ts';
import type { Mutation } from './mutation.ts';

export const mutations: readonly Mutation[] = [
  ...cryptoMutations,
  ...durableMutations,
  ...journalMutations,
  ...leaseMutations,
];
