/**
 * One plain file and what it must hold: reads, writes, truncations and mapped pages in any order, at any offset, by one seed, as the
 * program fsx does. What a read returns must be what the model has.
 */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { type FileHandle, open, readFile, stat, truncate } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Prng } from '../../drivers/support/prng.ts';
import type { Scope } from '../../support/cleanup.ts';
import { cleanUp } from '../../support/cleanup.ts';
import { cleanEnvironment } from '../../support/environment.ts';

const SIZE_MAX = 256 * 1024;
const PIECE_MAX = 20_000;

/** Fills `length` mapped bytes from `offset` on, or prints them; the mapping is new each time, and synced. */
const MAPPER = `
import mmap, os, sys
for line in sys.stdin:
    path, offset, length, fill = line.rstrip('\\n').split('\\t')
    offset, length = int(offset), int(length)
    with open(path, 'r+b') as file, mmap.mmap(file.fileno(), 0) as pages:
        if fill:
            pages[offset:offset + length] = bytes([int(fill)]) * length
            pages.flush()
        print(pages[offset:offset + length].hex(), flush=True)
`;

export class OneFile {
  readonly #path: string;
  readonly #random: Prng;
  readonly #done: string[] = [];
  readonly #mapper: Mapper | undefined;
  #file: FileHandle;
  #model = Buffer.alloc(0);

  private constructor(path: string, file: FileHandle, seed: number, mapper: Mapper | undefined) {
    this.#path = path;
    this.#file = file;
    this.#random = new Prng(seed);
    this.#mapper = mapper;
  }

  /** `maps`: by a process of python3, since Node has no call for it. */
  static async create(scope: Scope, path: string, seed: number, maps: boolean): Promise<OneFile> {
    return new OneFile(path, await open(path, 'w+'), seed, maps ? new Mapper(scope) : undefined);
  }

  /** One call, and its check. */
  async step(): Promise<void> {
    const offset = this.#random.below(SIZE_MAX - PIECE_MAX);
    const length = 1 + this.#random.below(PIECE_MAX);
    const fill = 1 + this.#random.below(255);
    const steps: [text: string, run: () => Promise<void>][] = [
      ['write', () => this.#write(offset, Buffer.alloc(length, fill))],
      ['write', () => this.#write(offset, Buffer.alloc(length, fill))],
      ['read', () => this.#read(offset, length)],
      ['read', () => this.#read(offset, length)],
      ['append', () => this.#append(Buffer.alloc(length % 3000, fill))],
      ['truncate', () => this.#truncate(offset, this.#random.below(2) === 0)],
      ['fsync', () => this.#file.sync()],
      ['open again', () => this.#reopen()],
      ['map', () => this.#map(offset, length, this.#random.below(2) === 0 ? fill : undefined)],
      ['stat', async () => assert.equal((await stat(this.#path)).size, this.#model.length)],
    ];
    const [text, run] = this.#random.pick(steps);
    this.#done.push(`${text} at ${offset}, ${length} bytes of ${fill}`);
    try {
      await run();
    } catch (error) {
      throw new Error(`after\n${this.#done.slice(-12).join('\n')}`, { cause: error });
    }
  }

  /** The whole of it. */
  async check(): Promise<void> {
    const content = await readFile(this.#path);
    assert.equal(content.length, this.#model.length);
    assert.ok(content.equals(this.#model), `it differs after\n${this.#done.slice(-12).join('\n')}`);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #write(offset: number, data: Buffer): Promise<void> {
    const { bytesWritten } = await this.#file.write(data, 0, data.length, offset);
    assert.equal(bytesWritten, data.length);
    this.#grow(offset + data.length);
    data.copy(this.#model, offset);
  }

  async #append(data: Buffer): Promise<void> {
    if (this.#model.length + data.length > SIZE_MAX) return;
    const file = await open(this.#path, 'a');
    await file.write(data);
    await file.close();
    this.#model = Buffer.concat([this.#model, data]);
  }

  async #read(offset: number, length: number): Promise<void> {
    const out = Buffer.alloc(length);
    const { bytesRead } = await this.#file.read(out, 0, length, offset);
    this.#isAsModelled(out.subarray(0, bytesRead), offset, length);
  }

  async #truncate(size: number, isByName: boolean): Promise<void> {
    await (isByName ? truncate(this.#path, size) : this.#file.truncate(size));
    this.#grow(size);
    this.#model = Buffer.from(this.#model.subarray(0, size));
  }

  async #reopen(): Promise<void> {
    await this.#file.close();
    this.#file = await open(this.#path, 'r+');
  }

  async #map(offset: number, length: number, fill: number | undefined): Promise<void> {
    const mapped = Math.min(length, this.#model.length - offset);
    if (this.#mapper === undefined || mapped <= 0) return;
    const seen = await this.#mapper.use(this.#path, offset, mapped, fill);
    if (fill !== undefined) this.#model.fill(fill, offset, offset + mapped);
    this.#isAsModelled(seen, offset, mapped);
  }

  #grow(size: number): void {
    if (size > this.#model.length)
      this.#model = Buffer.concat([this.#model, Buffer.alloc(size - this.#model.length)]);
  }

  #isAsModelled(seen: Buffer, offset: number, length: number): void {
    const expected = this.#model.subarray(offset, offset + length);
    assert.equal(seen.length, expected.length);
    assert.ok(seen.equals(expected), 'other bytes than were written');
  }
}

class Mapper {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(scope: Scope) {
    this.#process = spawn('python3', ['-c', MAPPER], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: cleanEnvironment(),
    });
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
    cleanUp(scope, () => {
      this.#process.kill('SIGKILL');
    });
  }

  async use(path: string, offset: number, length: number, fill: number | undefined): Promise<Buffer> {
    this.#process.stdin.write(`${[path, offset, length, fill ?? ''].join('\t')}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the process that maps the file has ended');
    return Buffer.from(value, 'hex');
  }
}
