/** `sessionfs copy`: all sessions of one bucket to another one, sealed as they are. Needs no key. */
import { loadConfig } from '../config/load.ts';
import { bucket, Refusal } from '../config/parsers.ts';
import { copyBucket, type Progress } from '../kit/copy.ts';
import { usage } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { type Invocation, printEither, warn } from './command.ts';
import { flagsOf } from './setting-flags.ts';

/** Between two lines of progress. */
const PROGRESS_MS = 2_000;

export async function run(invocation: Invocation): Promise<number> {
  const { given, operands, env } = invocation;
  const [from = '', to = ''] = operands;
  // Neither bucket is that of a mount here.
  const { STORAGE_BUCKET: _, SESSION_STORAGE_TYPE: __, ...others } = env;
  const { storageEmulatorUrl, s3EndpointUrl, backupConcurrency } = loadConfig(
    others,
    flagsOf({ given, directory: undefined }),
  );
  const request = {
    from: address('SOURCE', from),
    to: address('DESTINATION', to),
    emulatorUrl: storageEmulatorUrl,
    s3EndpointUrl,
    overwrite: given.has('--overwrite'),
    force: given.has('--force'),
    atATime: backupConcurrency,
  };
  const copied = await copyBucket(request, progressPrinter());
  const { objects, copied: sent, bytes, others: foreign } = copied;
  if (foreign > 0) warn(`${to} has ${foreign} more objects, which ${from} has not; they are left alone`);
  const text = `${to} has all ${objects} objects of ${from}, compared byte by byte: ${sent} copied now (${bytes} bytes), ${objects - sent} were there`;
  printEither(invocation, copied, text);
  return 0;
}

function address(operand: string, text: string) {
  try {
    return bucket(text);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw usage(`${operand} is ${quote(text)}, but it ${error.message}`);
  }
}

function progressPrinter(): (progress: Progress) => void {
  let printedMs = performance.now();
  return ({ done, total, bytes }) => {
    if (performance.now() - printedMs < PROGRESS_MS) return;
    printedMs = performance.now();
    warn(`${done} of ${total} objects are there (${bytes} bytes copied)`);
  };
}
