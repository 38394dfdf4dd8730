import { bucketMutations } from './feared/bucket.ts';
import { cryptoMutations } from './feared/crypto.ts';
import { driverMutations } from './feared/drivers.ts';
import { durableMutations } from './feared/durable.ts';
import { fsMutations } from './feared/fs.ts';
import { journalMutations } from './feared/journal.ts';
import { leaseMutations } from './feared/lease.ts';
import { libraryMutations } from './feared/library.ts';
import { operatorMutations } from './feared/operator.ts';
import { outsideMutations } from './feared/outside.ts';
import { privateMutations } from './feared/private.ts';
import { remoteMutations } from './feared/remote.ts';
import { sqliteMutations } from './feared/sqlite.ts';
import { storeMutations } from './feared/store.ts';
import { supervisorMutations } from './feared/supervisor.ts';
import { syncMutations } from './feared/sync.ts';
import type { Mutation } from './mutation.ts';

export const mutations: readonly Mutation[] = [
  ...bucketMutations,
  ...cryptoMutations,
  ...driverMutations,
  ...durableMutations,
  ...fsMutations,
  ...journalMutations,
  ...leaseMutations,
  ...libraryMutations,
  ...operatorMutations,
  ...outsideMutations,
  ...privateMutations,
  ...remoteMutations,
  ...sqliteMutations,
  ...storeMutations,
  ...supervisorMutations,
  ...syncMutations,
];
