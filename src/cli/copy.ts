/** `sessionfs copy`: all sessions of one bucket to another one, sealed as they are. Needs no key. */
import { bucket } from '../config/parsers.ts';
import { copyBucket, type Progress } from '../kit/copy.ts';
import { type Invocation, operandValue, printEither, warn } from './command.ts';
import { configWithoutMount } from './setting-flags.ts';

/** Between two lines of progress. */
const PROGRESS_MS = 2_000;

export async function run(invocation: Invocation): Promise<number> {
  const { given, operands } = invocation;
  const [from = '', to = ''] = operands;
  const { storageEmulatorUrl, s3EndpointUrl, backupConcurrency } = configWithoutMount(invocation);
  const request = {
    from: operandValue('SOURCE', from, bucket),
    to: operandValue('DESTINATION', to, bucket),
    emulatorUrl: storageEmulatorUrl,
    s3EndpointUrl,
    overwrite: given.has('--overwrite'),
    force: given.has('--force'),
    atATime: backupConcurrency,
  };
  const copied = await copyBucket(request, progressPrinter());
  const { objects, copied: sent, bytes, others: foreign } = copied;
  if (foreign > 0) warn(`${to} has ${foreign} more objects, which ${from} has not; they are left alone`);
  const text = `${to} has all ${objects} objects of ${from}: ${sent} copied now (${bytes} bytes) and compared byte by byte, ${objects - sent} were there with the same size, checksum and metadata`;
  printEither(invocation, copied, text);
  return 0;
}

function progressPrinter(): (progress: Progress) => void {
  let printedMs = performance.now();
  return ({ done, total, bytes }) => {
    if (performance.now() - printedMs < PROGRESS_MS) return;
    printedMs = performance.now();
    warn(`${done} of ${total} objects are there (${bytes} bytes copied)`);
  };
}
