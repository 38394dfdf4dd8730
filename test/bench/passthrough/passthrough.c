/*
 * passthrough DIRECTORY MOUNTPOINT: the least that a FUSE filesystem can be: one thread that hands each request on to a folder of
 * the disk. No encryption, no journal, no write-back cache; an fsync is the disk's. The kernel gets the answers that sessionfs gives
 * it (names and attributes stay valid, no request for open, flush or extended attributes), so both see the same requests.
 * What it takes beside the disk is what FUSE takes.
 *
 * For benchmarks: it knows no links and trusts its caller.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define VALID_S 86400.0
#define BUCKETS 65536

/* One inode of the disk, open as long as the kernel knows it. */
struct node {
  int fd;
  ino_t ino;
  uint64_t lookups;
  struct node *next;
};

static struct node root;
static struct node *buckets[BUCKETS];
static char *buffer;
static size_t buffer_size;

static struct node *node_of(fuse_ino_t id) { return id == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)id; }
static int fd_of(fuse_ino_t id) { return node_of(id)->fd; }

static void reply_status(fuse_req_t req, int result) { fuse_reply_err(req, result == -1 ? errno : 0); }

static char *buffer_of(size_t size) {
  if (size > buffer_size) buffer = realloc(buffer, buffer_size = size);
  if (buffer == NULL) abort();
  return buffer;
}

/* Returns an errno. */
static int enter(fuse_ino_t parent, const char *name, struct fuse_entry_param *entry) {
  memset(entry, 0, sizeof *entry);
  entry->attr_timeout = entry->entry_timeout = VALID_S;
  if (fstatat(fd_of(parent), name, &entry->attr, AT_SYMLINK_NOFOLLOW) == -1) return errno;
  struct node **bucket = &buckets[entry->attr.st_ino % BUCKETS];
  struct node *node = *bucket;
  while (node != NULL && node->ino != entry->attr.st_ino) node = node->next;
  if (node == NULL) {
    int flags = S_ISREG(entry->attr.st_mode) ? O_RDWR : S_ISDIR(entry->attr.st_mode) ? O_RDONLY | O_DIRECTORY : O_PATH;
    int fd = openat(fd_of(parent), name, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1) return errno;
    if ((node = calloc(1, sizeof *node)) == NULL) abort();
    node->fd = fd;
    node->ino = entry->attr.st_ino;
    node->next = *bucket;
    *bucket = node;
  }
  node->lookups++;
  entry->ino = (uintptr_t)node;
  return 0;
}

static void reply_entered(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param entry;
  int error = enter(parent, name, &entry);
  if (error != 0) fuse_reply_err(req, error);
  else fuse_reply_entry(req, &entry);
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param entry;
  int error = enter(parent, name, &entry);
  /* The kernel keeps that there is no such name. */
  if (error == ENOENT) entry.ino = 0;
  if (error != 0 && error != ENOENT) fuse_reply_err(req, error);
  else fuse_reply_entry(req, &entry);
}

static void forget_one(fuse_ino_t id, uint64_t count) {
  struct node *node = node_of(id);
  if (node == &root || (node->lookups -= count) > 0) return;
  struct node **at = &buckets[node->ino % BUCKETS];
  while (*at != node) at = &(*at)->next;
  *at = node->next;
  close(node->fd);
  free(node);
}

static void on_forget(fuse_req_t req, fuse_ino_t id, uint64_t count) {
  forget_one(id, count);
  fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *all) {
  for (size_t i = 0; i < count; i++) forget_one(all[i].ino, all[i].nlookup);
  fuse_reply_none(req);
}

static void on_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi) {
  (void)fi;
  struct stat attr;
  if (fstat(fd_of(id), &attr) == -1) fuse_reply_err(req, errno);
  else fuse_reply_attr(req, &attr, VALID_S);
}

static struct timespec time_of(int valid, int given, int now, struct timespec time) {
  struct timespec omit = {0, UTIME_OMIT}, at_once = {0, UTIME_NOW};
  return valid & now ? at_once : valid & given ? time : omit;
}

static void on_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attr, int valid, struct fuse_file_info *fi) {
  int fd = fd_of(id), failed = 0;
  struct timespec times[2] = {
      time_of(valid, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, attr->st_atim),
      time_of(valid, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, attr->st_mtim),
  };
  if (valid & FUSE_SET_ATTR_MODE) failed |= fchmod(fd, attr->st_mode);
  if (valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
    failed |= fchown(fd, valid & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1, valid & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1);
  if (valid & FUSE_SET_ATTR_SIZE) failed |= ftruncate(fd, attr->st_size);
  if (valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) failed |= futimens(fd, times);
  if (failed) fuse_reply_err(req, errno);
  else on_getattr(req, id, fi);
}

static void on_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
  if (mknodat(fd_of(parent), name, mode, device) == -1) fuse_reply_err(req, errno);
  else reply_entered(req, parent, name);
}

static void on_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
  if (mkdirat(fd_of(parent), name, mode) == -1) fuse_reply_err(req, errno);
  else reply_entered(req, parent, name);
}

static void on_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) {
  reply_status(req, unlinkat(fd_of(parent), name, 0));
}

static void on_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) {
  reply_status(req, unlinkat(fd_of(parent), name, AT_REMOVEDIR));
}

static void on_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to, const char *new_name, unsigned flags) {
  reply_status(req, renameat2(fd_of(from), name, fd_of(to), new_name, flags));
}

/* Said once, the kernel opens files and folders by itself. */
static void on_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi) {
  (void)id, (void)fi;
  fuse_reply_err(req, ENOSYS);
}

static void on_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  char *bytes = buffer_of(size);
  ssize_t got = pread(fd_of(id), bytes, size, offset);
  if (got == -1) fuse_reply_err(req, errno);
  else fuse_reply_buf(req, bytes, got);
}

static void on_write(fuse_req_t req, fuse_ino_t id, const char *bytes, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  ssize_t put = pwrite(fd_of(id), bytes, size, offset);
  if (put == -1) fuse_reply_err(req, errno);
  else fuse_reply_write(req, put);
}

static void on_fsync(fuse_req_t req, fuse_ino_t id, int only_data, struct fuse_file_info *fi) {
  (void)fi;
  reply_status(req, only_data ? fdatasync(fd_of(id)) : fsync(fd_of(id)));
}

static void on_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t length, struct fuse_file_info *fi) {
  (void)fi;
  reply_status(req, fallocate(fd_of(id), mode, offset, length));
}

static void on_statfs(fuse_req_t req, fuse_ino_t id) {
  struct statvfs statistics;
  if (fstatvfs(fd_of(id), &statistics) == -1) fuse_reply_err(req, errno);
  else fuse_reply_statfs(req, &statistics);
}

static size_t add_entry(fuse_req_t req, fuse_ino_t id, const struct dirent *found, char *at, size_t room) {
  struct fuse_entry_param entry = {.attr = {.st_ino = found->d_ino, .st_mode = (mode_t)found->d_type << 12}};
  int is_dots = strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0;
  size_t size = fuse_add_direntry_plus(req, NULL, 0, found->d_name, NULL, 0);
  if (size > room) return 0;
  if (!is_dots && enter(id, found->d_name, &entry) != 0) memset(&entry, 0, sizeof entry);
  return fuse_add_direntry_plus(req, at, room, found->d_name, &entry, found->d_off);
}

static void on_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  char *bytes = buffer_of(size);
  size_t filled = 0;
  int fd = openat(fd_of(id), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd == -1 ? NULL : fdopendir(fd);
  if (folder == NULL) {
    fuse_reply_err(req, errno);
    return;
  }
  if (offset != 0) seekdir(folder, offset);
  for (const struct dirent *found; (found = readdir(folder)) != NULL;) {
    size_t added = add_entry(req, id, found, bytes + filled, size - filled);
    if (added == 0) break;
    filled += added;
  }
  closedir(folder);
  fuse_reply_buf(req, bytes, filled);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = on_lookup,
    .forget = on_forget,
    .forget_multi = on_forget_multi,
    .getattr = on_getattr,
    .setattr = on_setattr,
    .mknod = on_mknod,
    .mkdir = on_mkdir,
    .unlink = on_unlink,
    .rmdir = on_rmdir,
    .rename = on_rename,
    .open = on_open,
    .opendir = on_open,
    .read = on_read,
    .write = on_write,
    .fsync = on_fsync,
    .fsyncdir = on_fsync,
    .fallocate = on_fallocate,
    .statfs = on_statfs,
    .readdirplus = on_readdirplus,
};

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: passthrough DIRECTORY MOUNTPOINT\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  umask(0);
  root.fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root.fd == -1) return fail(argv[1]);
  char *options[] = {argv[0], "-o", "fsname=passthrough,subtype=passthrough,default_permissions"};
  struct fuse_args args = FUSE_ARGS_INIT(3, options);
  struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, NULL);
  if (session == NULL || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[2]) != 0) return 1;
  int ended = fuse_session_loop(session);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return ended == 0 ? 0 : 1;
}
