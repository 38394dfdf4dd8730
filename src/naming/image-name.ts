/** Images lie below the cache as the objects do below `sessions/`. */
const IMAGES = 'images';

/** Where the cache keeps the image of the SQLite database with that object name, relative to the cache. */
export function imageName(objectName: string): string {
  return `${IMAGES}/${objectName}`;
}
