/** How a key in Google Secret Manager is named: `sm://` and the name of a version, in a region or everywhere. */

const SCHEME = 'sm://';
const NAME =
  /^projects\/([a-z0-9][a-z0-9:.-]{1,62})\/(?:locations\/([a-z0-9-]{1,40})\/)?secrets\/[\w-]{1,255}\/versions\/(?:latest|[1-9][0-9]{0,9}|[a-zA-Z][\w-]{0,62})$/;

export interface SecretName {
  /** As the API takes it: projects/P/secrets/S/versions/V. */
  readonly resource: string;
  /** Of a regional secret. */
  readonly location: string | undefined;
}

/** It is meant for one, well-formed or not. */
export function isSecretName(text: string): boolean {
  return text.startsWith(SCHEME);
}

/** Undefined: it names none. */
export function parseSecretName(text: string): SecretName | undefined {
  const resource = text.slice(SCHEME.length);
  const match = isSecretName(text) ? NAME.exec(resource) : null;
  return match === null ? undefined : { resource, location: match[2] };
}
