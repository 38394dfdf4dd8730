import { fearedIn } from '../mutation.ts';

const SEALED = ['crypto/sealed-file.test.ts'];

export const cryptoMutations = [
  ...fearedIn(
    'src/crypto/key-file.ts',
    ['crypto/key-source.test.ts'],
    [
      ['    fsyncSync(fd);\n', '', 'a power cut takes the key, and every session with it'],
      ['  syncDirectorySync(dirname(path));\n', '', 'a power cut takes the name of the key'],
      [
        'linkSync(temporary, path);',
        'renameSync(temporary, path);',
        "another process's key is replaced, and what it sealed cannot be opened",
      ],
      [
        "if (codeOf(error) === 'EEXIST') return false;",
        "if (codeOf(error) === 'EEXIST') return true;",
        "a mount seals with a key that is in no file, for another process's is",
      ],
      ['openSync(path, NEW_FILE, 0o600)', 'openSync(path, NEW_FILE, 0o644)', 'a key is readable by others'],
      [
        'if (!stat.isFile())',
        'if (false)',
        'a folder in the place of a key is an error that does not say so',
      ],
    ],
  ),
  ...fearedIn(
    'src/crypto/key-source.ts',
    ['crypto/key-source.test.ts'],
    [
      [
        'if (request.expectedKeyId !== undefined) throw missingForCache(request, path);',
        '',
        'a cache that holds sessions gets a new key',
      ],
      [
        'if (!request.mayGenerate) throw missingWithBucket(path);',
        '',
        'a bucket gets a key that is on one machine only',
      ],
      ['    requireExpected(keyring, found, request);\n', '', 'another key than that of the cache is taken'],
      ['    forgetVariables(request.env);\n', '', 'children inherit the key'],
    ],
  ),
  ...fearedIn(
    'src/crypto/aead.ts',
    ['crypto/aead.test.ts', ...SEALED],
    [
      [
        'padding < 1 || padding > BLOCK_SIZE',
        'padding > BLOCK_SIZE',
        'no padding at all is taken for padding',
      ],
      [
        "if (padded[at] !== padding) throw new SealError('length-mismatch');",
        '',
        'padding bytes are not checked',
      ],
      ['.subarray(0, TAG_SIZE)', '', 'the tag is not truncated to 32 bytes'],
      [".update(associatedText, 'utf8')", '', 'the path is not authenticated'],
      ['.update(associatedBytes)', '', 'the header is not authenticated'],
      ['.update(ivAndCiphertext)', '', 'the ciphertext is not authenticated'],
      ['.update(associatedBits)', '', 'the length of the associated data is not authenticated'],
      ['* 8, 4)', ', 4)', 'the length of the associated data is in bytes'],
      ['decipher.setAutoPadding(false);', '', 'the padding is cut before it is checked'],
    ],
  ),
  ...fearedIn('src/crypto/sealed-file.ts', SEALED, [
    ["if (!timingSafeEqual(expected, found)) throw new SealError('wrong-tag');", '', 'a wrong tag opens'],
    [
      "if (key === undefined) throw new SealError('unknown-key');",
      'if (key === undefined) return { key: keyring.current, plainLength };',
      'an unknown key is tried with the current one',
    ],
    [
      'if (key !== keyring.current) {',
      'if (key === undefined) {',
      'a file of an old key keeps its ciphertext when it is sealed again',
    ],
    [
      'writeTag(out, offset, key, newPath, sealed.length);',
      'writeTag(out, offset, key, oldPath, sealed.length);',
      'a renamed file is sealed under its old path',
    ],
    [
      "if (plain.length > PLAIN_LENGTH_MAX) throw new RangeError('the plaintext is over PLAIN_LENGTH_MAX');",
      '',
      'a file over the limit is sealed',
    ],
    ['randomFillSync(ivPool);', '', 'IVs are zero'],
    ['ivPoolUsed += IV_SIZE;', '', 'every file has the same IV'],
    [
      'if (offset < 0 || offset + size > out.length)',
      'if (offset < 0)',
      'a sealed file is written beyond its buffer',
    ],
  ]),
  ...fearedIn('src/crypto/sealed-header.ts', SEALED, [
    [
      "if (header.readUInt32LE(Offset.zero) !== 0) throw new SealError('not-sealed');",
      '',
      'the reserved word is ignored',
    ],
    [
      "if (beyond !== 0 || plainLength > PLAIN_LENGTH_MAX) throw new SealError('length-mismatch');",
      '',
      'a length beyond the limit is believed',
    ],
    [
      "if (fileSize !== expected) throw new SealError(fileSize < expected ? 'truncated' : 'length-mismatch');",
      '',
      'a cut file is taken for whole',
    ],
    [
      "if ((word & 0xff) !== SUITE_A256CBC_HS512) throw new SealError('unknown-suite');",
      '',
      'another suite is opened as this one',
    ],
    [
      "if (word !== SUITE_A256CBC_HS512) throw new SealError('not-sealed');",
      '',
      'the zeros after the suite are ignored',
    ],
    ['export const OWNER = 0xffffffff;', 'export const OWNER = 0;', 'root passes for the owner of the mount'],
  ]),
  ...fearedIn(
    'src/crypto/sealed-piece.ts',
    ['crypto/sealed-piece.test.ts'],
    [
      ['this.#count++', 'this.#count', 'pieces share a nonce'],
      [
        'const prefix = randomBytes(PREFIX_SIZE);',
        'const prefix = Buffer.alloc(PREFIX_SIZE);',
        'two processes share nonces',
      ],
      [
        'ASSOCIATED_SIZE + this.#associated.write(name, ASSOCIATED_SIZE)',
        'ASSOCIATED_SIZE',
        'a piece of one file is taken for one of another',
      ],
      ['    this.#ready = undefined;\n', '', 'all pieces have the nonce that was made ahead'],
      ["throw new SealError('wrong-tag');", '', 'a changed piece opens'],
      [
        'if (this.#last?.of !== of || !this.#last.prefix.equals(prefix))',
        'if (this.#last === undefined)',
        'a piece of another process does not open',
      ],
    ],
  ),
  ...fearedIn(
    'src/crypto/keyring.ts',
    ['crypto/keyring.test.ts', ...SEALED],
    [
      ['for (const bytes of raw) bytes.fill(0);', '', 'raw keys stay in memory'],
      ['  view.fill(0);\n', '', 'derived keys stay in memory'],
      ['  bytes.fill(0);\n', '', 'a copy of the key stays in memory after it was handed over'],
      [
        'if (key.idLow === low && key.idHigh === high) return key',
        'if (key.idLow === low) return key',
        'half of a key id is compared',
      ],
      ['this.#keys = [];', '', 'a destroyed keyring still opens files'],
      [
        'bytes.length === 0 || bytes.length % DERIVED_SIZE !== 0',
        'bytes.length % DERIVED_SIZE !== 0',
        'an empty keyring is taken over',
      ],
      [
        'if (raw.length !== RAW_KEY_SIZE) {',
        'if (raw.length < RAW_KEY_SIZE) {',
        'a key that is too long is used',
      ],
      ['/^[0-9a-f]{64}$/i', '/^[0-9a-f]*$/i', 'a key of another length is read from hex'],
    ],
  ),
];
