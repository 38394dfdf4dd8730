import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** For programs that stop tests half-way, and remove what those leave behind. */
export const MEMORY_FILES = 'SESSIONFS_TEST_MEMORY_FILES';

/**
 * Where files cost no disk: for tests that open and sync thousands of small files, which takes minutes on a disk that is busy
 * with other tests. Whether something was synced is for tests that record what the disk is told.
 */
export const memoryFiles = process.env[MEMORY_FILES] ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
