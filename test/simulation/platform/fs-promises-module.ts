/** In place of node:fs/promises, with its default export. */
import * as everything from './fs-promises.ts';

export * from './fs-promises.ts';
export default everything;
