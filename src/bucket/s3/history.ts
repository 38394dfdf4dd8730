/**
 * From S3's listing of versions and delete markers to the time that each version was the newest one. Of a name the newest comes
 * first, so what ended a version may stand on the page before: the token of a page carries it along.
 */
import type { PastPage, PastVersion } from '../bucket.ts';
import { instantOf } from './version.ts';

/** Where a page begins, and when the last entry of the one before was created, which had the name `keyMarker`. */
export interface Place {
  readonly keyMarker: string;
  readonly versionIdMarker: string | undefined;
  readonly newerMs: number | undefined;
}

interface Entry {
  readonly Key?: string | undefined;
  readonly VersionId?: string | undefined;
  readonly IsLatest?: boolean | undefined;
  readonly LastModified?: Date | undefined;
  readonly Size?: number | undefined;
}

export interface VersionListing {
  readonly Versions?: readonly Entry[] | undefined;
  readonly DeleteMarkers?: readonly Entry[] | undefined;
  readonly IsTruncated?: boolean | undefined;
  readonly NextKeyMarker?: string | undefined;
  readonly NextVersionIdMarker?: string | undefined;
}

interface Listed {
  readonly name: string;
  readonly createdMs: number;
  readonly isLatest: boolean;
  /** Undefined: a delete marker. */
  readonly version: { readonly id: string; readonly size: number } | undefined;
}

/** Undefined: the listing begins. Throws TypeError for a text that `pageOf` has not made. */
export function placeOf(page: string | undefined): Place | undefined {
  return page === undefined ? undefined : (JSON.parse(page) as Place);
}

/** Throws TypeError where something is missing: the answer came from something that is no S3 server. */
export function pageOf(
  listing: VersionListing,
  decodedName: (encoded: string) => string,
  place: Place | undefined,
): PastPage {
  const newestFirst = inOrder([
    ...(listing.DeleteMarkers ?? []).map((entry) => listed(entry, decodedName, undefined)),
    ...(listing.Versions ?? []).map((entry) => listed(entry, decodedName, sizeOf(entry))),
  ]);
  const newerMs = new Map<string, number | undefined>(place && [[place.keyMarker, place.newerMs]]);
  const versions: PastVersion[] = [];
  for (const { name, createdMs, version } of newestFirst) {
    const endedMs = newerMs.get(name);
    if (version !== undefined)
      versions.push({ name, ...version, createdMs, endedMs, kind: 'version', uploadId: undefined });
    newerMs.set(name, createdMs);
  }
  if (listing.IsTruncated !== true) return { versions, nextPage: undefined };
  const { NextKeyMarker = '', NextVersionIdMarker: versionIdMarker } = listing;
  if (NextKeyMarker === '') throw new TypeError('no marker');
  const keyMarker = decodedName(NextKeyMarker);
  const next: Place = { keyMarker, versionIdMarker, newerMs: newerMs.get(keyMarker) };
  return { versions, nextPage: JSON.stringify(next) };
}

/**
 * The newest first. Servers list so, but versions and markers apart, and tell times to the second: of one second a marker
 * counts as the newer one, unless the version is the latest. That may leave a file out, and never brings a deleted one back.
 */
function inOrder(entries: readonly Listed[]): Listed[] {
  const rank = ({ isLatest, version }: Listed) => (isLatest ? 0 : version === undefined ? 1 : 2);
  return entries.toSorted((a, b) => b.createdMs - a.createdMs || rank(a) - rank(b));
}

function listed(
  { Key, VersionId = 'null', IsLatest, LastModified }: Entry,
  decodedName: (encoded: string) => string,
  size: number | undefined,
): Listed {
  if (Key === undefined || Key === '') throw new TypeError('no name');
  if (!/^[\x21-\x7e]{1,1024}$/.test(VersionId)) throw new TypeError('no version');
  return {
    name: decodedName(Key),
    createdMs: instantOf(LastModified),
    isLatest: IsLatest === true,
    version: size === undefined ? undefined : { id: VersionId, size },
  };
}

function sizeOf({ Size = 0 }: Entry): number {
  if (!Number.isSafeInteger(Size) || Size < 0) throw new TypeError('no size');
  return Size;
}
