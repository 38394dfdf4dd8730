/** In place of node:fs/promises. */
import type { Dirent } from 'node:fs';
import {
  accessSync,
  appendFileSync,
  chmodSync,
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  later,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from './fs.ts';

export { constants } from './fs.ts';

function promised<A extends unknown[], T>(work: (...args: A) => T): (...args: A) => Promise<T> {
  return (...args) => later(() => work(...args));
}

export class FileHandle {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  read(buffer: Uint8Array, offset?: number, length?: number, position: number | null = null) {
    return later(() => ({ bytesRead: readSync(this.fd, buffer, offset, length, position), buffer }));
  }

  write(data: Uint8Array | string, offset?: number, length?: number, position?: number | null) {
    return later(() => ({ bytesWritten: writeSync(this.fd, data, offset, length, position), buffer: data }));
  }

  writeFile(data: Uint8Array | string) {
    return later(() => writeFileSync(this.fd, data));
  }

  appendFile(data: Uint8Array | string) {
    return later(() => writeFileSync(this.fd, data));
  }

  readFile(options?: string | { encoding?: string }) {
    return later(() => readFileSync(this.fd, options));
  }

  stat() {
    return later(() => fstatSync(this.fd));
  }

  truncate(size?: number) {
    return later(() => ftruncateSync(this.fd, size));
  }

  sync() {
    return later(() => fsyncSync(this.fd));
  }

  datasync() {
    return later(() => fdatasyncSync(this.fd));
  }

  close() {
    return later(() => closeSync(this.fd));
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

export const open = promised(
  (path: string, flags?: string | number, mode?: number) => new FileHandle(openSync(path, flags, mode)),
);
export const access = promised(accessSync);
export const appendFile = promised(appendFileSync);
export const chmod = promised(chmodSync);
export const link = promised(linkSync);
export const lstat = promised(lstatSync);
export const mkdir = promised(mkdirSync);
export const readdir = promised(readdirSync);
export const readFile = promised(readFileSync);
export const rename = promised(renameSync);
export const rm = promised(rmSync);
export const rmdir = promised(rmdirSync);
export const stat = promised(statSync);
export const statfs = promised(statfsSync);
export const unlink = promised(unlinkSync);
export const writeFile = promised(writeFileSync);

/** To be listed with `for await`. */
export async function opendir(path: string): Promise<AsyncIterable<Dirent>> {
  const entries = (await later(() => readdirSync(path, { withFileTypes: true }))) as Dirent[];
  return {
    async *[Symbol.asyncIterator]() {
      yield* entries;
    },
  };
}
