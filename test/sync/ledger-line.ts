import { hasItsChecksum, type LedgerRecord, parseText, TEXT_AT } from '../../src/sync/ledger/format.ts';

/** As a file is read. Undefined for a line that was cut, changed, or says nothing that this version knows. */
export function parseLine(line: string): LedgerRecord | undefined {
  const bytes = Buffer.from(line);
  return hasItsChecksum(bytes, 0, bytes.length) ? parseText(line.slice(TEXT_AT)) : undefined;
}
