/**
 * C structs as byte offsets. A struct is declared field by field in the order of the kernel's header, and the offsets
 * follow from the rules of C (every field aligned to its own size, the whole padded to its largest alignment), so that a
 * declaration can be held against <linux/fuse.h> line by line and no offset is ever counted by hand.
 */

/** For DataView. The protocol speaks the machine's own byte order, and `openFuseDevice` refuses a big-endian machine. */
export const LITTLE_ENDIAN = true;

interface Type {
  /** Bytes, as sizeof says. */
  readonly SIZE: number;
  /** Bytes. */
  readonly ALIGN: number;
}

const scalar = (bytes: number): Type => ({ SIZE: bytes, ALIGN: bytes });

export const u8 = scalar(1);
export const u16 = scalar(2);
export const u32 = scalar(4);
export const i32 = scalar(4);
export const u64 = scalar(8);
export const i64 = scalar(8);

/** `count` 0 is a flexible array member. */
export function array(element: Type, count: number): Type {
  return { SIZE: element.SIZE * count, ALIGN: element.ALIGN };
}

/** Each field's name holds its offset in bytes; SIZE is the struct's. */
export type Struct<Fields> = Type & { readonly [Name in keyof Fields]: number };

export function struct<const Fields extends Record<string, Type>>(fields: Fields): Struct<Fields> {
  const offsets: Record<string, number> = {};
  let end = 0;
  let alignment = 1;
  for (const [name, type] of Object.entries(fields)) {
    const offset = alignUp(end, type.ALIGN);
    offsets[name] = offset;
    end = offset + type.SIZE;
    alignment = Math.max(alignment, type.ALIGN);
  }
  return Object.freeze({ ...offsets, SIZE: alignUp(end, alignment), ALIGN: alignment }) as Struct<Fields>;
}

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
