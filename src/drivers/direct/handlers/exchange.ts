import {
  type Attributes,
  type Entry,
  emptyAttributes,
  emptyStatistics,
  type FileSystemOperations,
  type FilesystemStatistics,
} from '../../../fs/contract.ts';
import { MAX_IO_BYTES_EVER } from '../../../mount/io-size.ts';
import { DirectoryListing } from '../directory-listing.ts';
import { Reply } from '../reply.ts';
import { Request } from '../request.ts';

/** All that answering one request needs. There is one per dispatcher, used again for every request. */
export class Exchange {
  readonly fs: FileSystemOperations;
  readonly request = new Request();
  readonly reply = new Reply(MAX_IO_BYTES_EVER);
  readonly entry: Entry = { nodeId: 0, entryValidMs: 0, ...emptyAttributes() };
  readonly attributes: Attributes = emptyAttributes();
  readonly statistics: FilesystemStatistics = emptyStatistics();
  readonly listing: DirectoryListing;

  constructor(fs: FileSystemOperations) {
    this.fs = fs;
    this.listing = new DirectoryListing(this.reply, fs, this.entry);
  }
}

/** Returns an outcome: see outcome.ts. May throw only what is a mistake in this program or a failure of its machine. */
export type Handler = (exchange: Exchange) => number;

export interface Operation {
  /** Fixed bytes that the arguments must begin with; a shorter request never reaches the handler. */
  readonly argumentBytes: number;
  readonly run: Handler;
  /** What a successful reply hands to the kernel and must be taken back when it does not arrive: lookups of these nodes. */
  readonly gives?: 'entry' | 'listing';
}
