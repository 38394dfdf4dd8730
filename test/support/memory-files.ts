import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/**
 * Where files cost no disk: for tests that open and sync thousands of small files, which takes minutes on a disk that is busy
 * with other tests. Whether something was synced is for tests that record what the disk is told.
 */
export const memoryFiles = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
