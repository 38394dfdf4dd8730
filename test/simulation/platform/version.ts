/** In place of src/lib/version.ts, which reads a file when it is loaded. */
export const version = '0.0.0';
