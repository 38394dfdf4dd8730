/**
 * The steps that change a cache: stage, settle, publish; each can be repeated after a crash. `touched` collects the
 * directories whose entries changed: nothing is durable before syncDirectories() was done with them.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BulkFiles } from '../../lib/bulk-files.ts';
import { type FileOperations, syncDirectoryThrough, tolerate } from '../../lib/file-operations.ts';
import { mapLimit } from '../../lib/map-limit.ts';
import { codeOf, systemError } from '../../lib/system-error.ts';
import { DIRECTORY_META_COMPONENT, OBJECT_ROOT, toObjectName } from '../../naming/object-name.ts';

/** A new file that has no name in the tree yet. */
export interface StagedFile {
  temporary: string;
  /** Undefined: closed. */
  fd: number | undefined;
}

const STAGE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** What unlink(2) says of a directory: EPERM on macOS. */
const NOT_A_FILE = process.platform === 'darwin' ? ['EISDIR', 'EPERM'] : ['EISDIR'];
/** A directory may be removed under a rename into it that often; it happens once where a user's last session goes. */
const PUBLISH_ATTEMPTS = 4;

export class CacheFiles {
  readonly root: string;
  readonly operations: FileOperations;
  readonly #temporaryPrefix = randomBytes(6).toString('hex');
  #temporaries = 0;

  constructor(root: string, operations: FileOperations) {
    this.root = root;
    this.operations = operations;
  }

  locate(objectName: string): string {
    return join(this.root, objectName);
  }

  /** Writes a new file under tmp/. On failure nothing of it is left. */
  async stage(bytes: Uint8Array): Promise<StagedFile> {
    const temporary = this.#temporaryPath();
    const staged: StagedFile = {
      temporary,
      fd: await this.operations.open(temporary, STAGE_FLAGS, FILE_MODE),
    };
    try {
      await this.operations.write(staged.fd as number, bytes);
    } catch (error) {
      await this.discard(staged);
      throw error;
    }
    return staged;
  }

  /** Stages each of `contents`, and closes it. undefined: that one failed, and nothing is left of it. */
  async stageTogether(bulk: BulkFiles, contents: readonly Uint8Array[]): Promise<(StagedFile | undefined)[]> {
    const all = contents.map((bytes) => ({ path: this.#temporaryPath(), bytes }));
    const failed = await bulk.write(all);
    return all.map((one) => (failed.has(one) ? undefined : { temporary: one.path, fd: undefined }));
  }

  #temporaryPath(): string {
    return join(this.root, 'tmp', `${this.#temporaryPrefix}-${this.#temporaries++}`);
  }

  /** The content is on stable storage on return. */
  async settle(staged: StagedFile): Promise<void> {
    staged.fd ??= await this.operations.open(staged.temporary, constants.O_RDONLY, 0);
    await this.operations.fsync(staged.fd);
    await this.finish(staged);
  }

  /** Closes it, for syncAll() to make it durable with many others, or settle() by itself. */
  async finish(staged: StagedFile): Promise<void> {
    const { fd } = staged;
    staged.fd = undefined;
    if (fd !== undefined) await this.operations.close(fd);
  }

  /** The whole cache is on stable storage when it resolves to true; false: sync file by file. */
  syncAll(): Promise<boolean> {
    return this.operations.syncFilesystem(this.root);
  }

  /** Gives a settled file its name, in place of the one that has it; makes the directories that lead there. */
  async publish(staged: StagedFile, objectName: string, touched: Set<string>): Promise<void> {
    const target = this.locate(objectName);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.operations.rename(staged.temporary, target);
        break;
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === PUBLISH_ATTEMPTS) throw error;
        await this.ensureDirectory(dirname(target), touched);
      }
    }
    this.#touchAncestors(target, touched);
  }

  /** Publishes settled files; returns those for which `publish` must find out why it cannot be done, or make a directory. */
  async publishTogether<T extends StagedFile & { objectName: string }>(
    bulk: BulkFiles,
    writes: readonly T[],
    touched: Set<string>,
  ): Promise<T[]> {
    const all = writes.map((write) => ({ from: write.temporary, to: this.locate(write.objectName), write }));
    const failed = await bulk.rename(all);
    for (const one of all) if (!failed.has(one)) this.#touchAncestors(one.to, touched);
    return [...failed].map(({ write }) => write);
  }

  /** Forgets a staged file, whatever became of it. */
  async discard(staged: StagedFile): Promise<void> {
    await this.finish(staged).catch(() => {});
    await this.operations.unlink(staged.temporary).catch(() => {});
  }

  /** Makes `directory` (absolute, below the root) and what leads there. */
  async ensureDirectory(directory: string, touched: Set<string>): Promise<void> {
    try {
      await this.operations.mkdir(directory, DIRECTORY_MODE);
    } catch (error) {
      if (codeOf(error) === 'ENOENT' && directory !== this.root) {
        await this.ensureDirectory(dirname(directory), touched);
        return this.ensureDirectory(directory, touched);
      }
      if (codeOf(error) !== 'EEXIST') throw error;
      if (!(await stat(directory)).isDirectory())
        throw systemError('ENOTDIR', 'mkdir', `${directory} is a file`);
    }
    this.#touchAncestors(directory, touched);
  }

  /** No-op when there is no such file, or a directory (later in the journal) has its place already. */
  async removeFile(objectName: string, touched: Set<string>): Promise<void> {
    const target = this.locate(objectName);
    await tolerate(this.operations.unlink(target), 'ENOENT', 'ENOTDIR', ...NOT_A_FILE);
    this.#touchAncestors(target, touched);
  }

  /**
   * Removes a mount directory: its attributes, and it itself unless something else is in it (the sessions of a user of that
   * name, a foreign file). A user's directory goes with the last session. Returns whether it is gone.
   */
  async removeDirectory(path: string, touched: Set<string>): Promise<boolean> {
    const objectName = toObjectName(path, 'directory');
    await this.removeFile(`${objectName}/${DIRECTORY_META_COMPONENT}`, touched);
    const gone = await this.#removeIfEmpty(objectName, touched);
    const parent = dirname(objectName);
    if (gone && !path.includes('/') && parent !== OBJECT_ROOT) await this.#removeIfEmpty(parent, touched);
    return gone;
  }

  async #removeIfEmpty(objectName: string, touched: Set<string>): Promise<boolean> {
    const target = this.locate(objectName);
    try {
      await tolerate(this.operations.rmdir(target), 'ENOENT', 'ENOTDIR');
    } catch (error) {
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
      throw error;
    }
    this.#touchAncestors(target, touched);
    return true;
  }

  /** All of them up to `sessions`: one that an interrupted run made may not be durable in its parent yet. */
  #touchAncestors(target: string, touched: Set<string>): void {
    for (let at = dirname(target); at.length >= this.root.length && !touched.has(at); at = dirname(at)) {
      touched.add(at);
    }
  }

  async syncDirectories(touched: Set<string>, concurrency: number): Promise<void> {
    await mapLimit(touched, concurrency, (directory) => this.syncDirectory(directory));
  }

  /** No-op for a directory that is gone. */
  async syncDirectory(directory: string): Promise<void> {
    await tolerate(syncDirectoryThrough(this.operations, directory), 'ENOENT', 'ENOTDIR');
  }
}
