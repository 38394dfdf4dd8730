import { driverUnderTest } from './driver.ts';

/**
 * The environment for a program under test: this process's own without any setting of sessionfs, so that a developer's
 * shell decides nothing, and without what node:test tells its children.
 */
export function cleanEnvironment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !isSetting(name));
  return { ...Object.fromEntries(inherited), SESSION_FUSE_DRIVER: driverUnderTest, ...added };
}

function isSetting(name: string): boolean {
  return /^(SESSION_|STORAGE_|LOG_LEVEL$|NODE_TEST_CONTEXT$|NODE_OPTIONS$)/.test(name);
}
