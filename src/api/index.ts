/** The package as a library: `import { mount } from 'sessionfs'`. What is exported here is contract; docs/api.md says it. */
export { type ErrorCode, SessionfsError } from '../lib/errors.ts';
export type { Mount, MountOptions, MountStatus, UnmountOptions } from './contract.ts';
export { attach, mount } from './mount.ts';
