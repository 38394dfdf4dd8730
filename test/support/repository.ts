import { join, resolve } from 'node:path';

/** The checkout, seen from dist/test/support. */
export const repository = resolve(import.meta.dirname, '../../..');

export const biome = join(repository, 'node_modules/.bin/biome');
