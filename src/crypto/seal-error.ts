/** Why a file was refused. None of them ever comes with a byte of the file or of a key. */
export type SealRefusal =
  /** Shorter than its header says, or than any sealed file is. */
  | 'truncated'
  /** No magic, or reserved bytes in use: another program's file, or a plaintext. */
  | 'not-sealed'
  /** Sealed by a later version, with an algorithm that this one does not have. */
  | 'unknown-suite'
  /** Sealed with a key that is not in the keyring. */
  | 'unknown-key'
  /** Changed, or moved here from another name or session. */
  | 'wrong-tag'
  /** Longer than its header says, or the content is not as long as it says. */
  | 'length-mismatch';

const sentences: Record<SealRefusal, string> = {
  truncated: 'the sealed file is cut short',
  'not-sealed': 'this is not a sealed file',
  'unknown-suite': 'the file is sealed with an algorithm that this version does not know',
  'unknown-key': 'the file is sealed with a key that is not in the keyring',
  'wrong-tag': 'the sealed file was changed, or belongs to another path',
  'length-mismatch': 'the sealed file is not as long as its header says',
};

/** All of them, for the documentation's sake. */
export const sealRefusals: readonly string[] = Object.keys(sentences);

/** A sealed file that is not to be trusted. The message names the reason and nothing else. */
export class SealError extends Error {
  readonly reason: SealRefusal;

  constructor(reason: SealRefusal) {
    super(`${sentences[reason]} (${reason})`);
    this.name = 'SealError';
    this.reason = reason;
  }
}
