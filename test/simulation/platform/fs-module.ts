/** In place of node:fs, with its default export. */
import * as everything from './fs.ts';

export * from './fs.ts';
export default everything;
