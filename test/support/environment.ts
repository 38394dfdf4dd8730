import { driverUnderTest } from './driver.ts';

/**
 * What a test's mounts get unless they, or a developer, say otherwise: each that lives for 5 s would pay for the start of a second
 * daemon. test/crash/standby.test.ts has the standby. What is no test, as the benchmark and the soak, mounts as an operator does.
 */
const ofTests = process.env.NODE_TEST_CONTEXT === undefined ? {} : { SESSIONFS_TEST_STANDBY_MS: '600000' };

/**
 * The environment for a program under test: this process's own without any setting of sessionfs, so that a developer's
 * shell decides nothing, and without what node:test tells its children.
 */
export function cleanEnvironment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !isSetting(name));
  return { ...ofTests, ...Object.fromEntries(inherited), SESSION_FUSE_DRIVER: driverUnderTest, ...added };
}

function isSetting(name: string): boolean {
  return /^(SESSION_|STORAGE_|LOG_LEVEL$|NODE_TEST_CONTEXT$|NODE_OPTIONS$)/.test(name);
}
