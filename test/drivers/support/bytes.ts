/** Bytes written out for a reader: `hex('28 00 00 00', '01 00 00 00')`, one argument a field. */
export function hex(...fields: string[]): Buffer {
  return Buffer.from(fields.join('').replace(/\s+/g, ''), 'hex');
}

/** A NUL-terminated name. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export interface RequestFields {
  opcode: number;
  unique?: bigint;
  node?: bigint | number;
  uid?: number;
  gid?: number;
  pid?: number;
  /** Extensions behind the arguments; a multiple of 8 bytes. */
  extensions?: Buffer;
}

/** A well-formed request: fuse_in_header, then the arguments. */
export function request(fields: RequestFields, ...args: Buffer[]): Buffer {
  const { extensions = Buffer.alloc(0) } = fields;
  const header = Buffer.alloc(40);
  const whole = Buffer.concat([header, ...args, extensions]);
  whole.writeUInt32LE(whole.length, 0);
  whole.writeUInt32LE(fields.opcode, 4);
  whole.writeBigUInt64LE(fields.unique ?? 2n, 8);
  whole.writeBigUInt64LE(BigInt(fields.node ?? 1), 16);
  whole.writeUInt32LE(fields.uid ?? 1000, 24);
  whole.writeUInt32LE(fields.gid ?? 1001, 28);
  whole.writeUInt32LE(fields.pid ?? 4242, 32);
  whole.writeUInt16LE(extensions.length / 8, 36);
  return whole;
}

export function u32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value >>> 0, 4 * index);
  });
  return bytes;
}

export function u64s(...values: Array<bigint | number>): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, index) => {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 8 * index);
  });
  return bytes;
}
