/** The filesystem core of a mount that changes nothing: every call that would is refused here, whatever the kernel lets through. */
import { Errno } from '../../lib/errno.ts';
import { FileSystem } from './filesystem.ts';

export class ReadOnlyFileSystem extends FileSystem {
  override setattr(): Errno {
    return Errno.EROFS;
  }

  override mknod(): Errno {
    return Errno.EROFS;
  }

  override mkdir(): Errno {
    return Errno.EROFS;
  }

  override symlink(): Errno {
    return Errno.EROFS;
  }

  override unlink(): Errno {
    return Errno.EROFS;
  }

  override rmdir(): Errno {
    return Errno.EROFS;
  }

  override rename(): Errno {
    return Errno.EROFS;
  }

  override write(): number {
    return Errno.EROFS;
  }

  override fallocate(): Errno {
    return Errno.EROFS;
  }
}
