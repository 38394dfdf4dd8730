/** What a request to Google's JSON API is about. */
import type { IncomingMessage } from 'node:http';
import type { ProxiedRequest, RequestKind } from './store-proxy.ts';

export function describe({ method = 'GET', url = '/', headers }: IncomingMessage): ProxiedRequest {
  const [path = '', search = ''] = url.split(/\?(.*)/s);
  const query = new URLSearchParams(search);
  const [, upload, bucket = '', objects, encoded, restore] =
    /^(?:\/(upload|download))?\/storage\/v1\/b\/([^/]+)(?:\/(o)(?:\/(.+?)(\/restore)?)?)?$/.exec(path) ?? [];
  const object = encoded === undefined ? (query.get('name') ?? '') : decodeURIComponent(encoded);
  const isRestore = restore !== undefined && method === 'POST';
  const kind = isRestore
    ? 'restore'
    : kindOf(method, upload === 'upload', bucket, objects !== undefined, encoded !== undefined, query);
  return { kind, method, bucket, object: kind === 'list' ? '' : object, query, target: url, headers };
}

function kindOf(
  method: string,
  isUpload: boolean,
  bucket: string,
  inObjects: boolean,
  namesObject: boolean,
  query: URLSearchParams,
): RequestKind {
  if (bucket === '') return 'other';
  if (isUpload) return 'put';
  if (method === 'DELETE' && namesObject) return 'delete';
  if (method !== 'GET') return 'other';
  if (namesObject) return query.get('alt') === 'media' ? 'get' : 'head';
  return inObjects ? 'list' : 'config';
}
