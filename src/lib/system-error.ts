/** Errors in the shape of those of node:fs: a `code` (ENOENT, EIO, …), a message. lib/errno.ts maps the codes. */

/** An error like those of node:fs, for what the store itself finds wrong; lib/errno.ts maps its code. */
export function systemError(code: string, syscall: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}, ${syscall}`), { code, syscall });
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** For catch(): undefined where there is no such file; every other error is thrown on. */
export function ifMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
}
