/*
 * Faults at the border between a process and its disk and clock, for LD_PRELOAD.
 *   gcc -O2 -shared -fPIC -o fi.so fi.c -ldl -lpthread
 *
 * Only files below FI_PREFIX are touched. LevelDB writes through stdio, whose own write() cannot be replaced; so fopen()
 * below the prefix gives a stream over this file's read and write. Set UV_USE_IO_URING=0, or Node goes past all this.
 *
 *   FI_PREFIX   absolute folder; without it only the clock is looked after
 *   FI_OPS      what is counted, by commas: open,write,sync,rename,unlink,truncate,mkdir,read. Default all but read.
 *               (open: only what creates or empties a file; read: also mmap)
 *   FI_AT       number, from 1, of the counted operation at which the fault happens
 *   FI_ACT      kill     SIGKILL before the operation
 *               eio      it fails with EIO
 *               enospc   a write does half and says so, the next one fails; anything else fails at once
 *               short    half of a write is done, then SIGKILL
 *               torn512  a write is done up to a border of 512 bytes of the file, then SIGKILL
 *               nosync   a sync does nothing and says it did
 *               pause    SIGSTOP to itself before the operation
 *   FI_STICKY   1: at FI_AT and ever after
 *   FI_STATE    file of 16 bytes, mapped: u64 operations counted, u64 faults given
 *   FI_LOG      file: every operation with its data (also what is written to descriptor 1, as the order of acknowledgements)
 *   FI_CLOCK    file of 8 bytes, mapped: i64 nanoseconds added to the wall clock; the monotonic clock stays as it is
 *
 * A record of FI_LOG, little endian: u8 kind, u8 flags (1: sync was left out or failed, 2: not done), u16 length of path, u16 of second
 * path, u16 0, u64 offset, u32 length of data; then the three.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE, SYNC, RENAME, UNLINK, TRUNCATE, MKDIR, READ, SAY };
static const char *const NAMES[] = {"", "open", "write", "sync", "rename", "unlink", "truncate", "mkdir", "read", "say"};
enum act { NONE, KILL, EIO_, ENOSPC_, SHORT, TORN, NOSYNC, PAUSE };
enum { NOT_SYNCED = 1, NOT_DONE = 2 };
enum { DESCRIPTORS = 65536 };

static const char *prefix;
static size_t prefix_length;
static unsigned counted = ~(1u << READ);
static uint64_t at;
static enum act act;
static int sticky, log_fd = -1, half_done;
static _Atomic uint64_t own_state[2];
static _Atomic uint64_t *state = own_state;
static _Atomic int64_t *clock_offset;
static char *paths[DESCRIPTORS];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...)                                   \
  static type (*real)(__VA_ARGS__);                             \
  if (real == NULL) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);

static void *map_file(const char *name, size_t bytes) {
  const char *path = getenv(name);
  if (path == NULL) return NULL;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct stat found;
  if (fd < 0 || fstat(fd, &found) != 0 || (found.st_size < (off_t)bytes && ftruncate(fd, bytes) != 0)) {
    perror(path);
    _exit(70);
  }
  void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return mapped == MAP_FAILED ? NULL : mapped;
}

static enum act act_of(const char *name) {
  static const char *const acts[] = {"", "kill", "eio", "enospc", "short", "torn512", "nosync", "pause"};
  for (int n = 1; n < 8; n++)
    if (strcmp(name, acts[n]) == 0) return n;
  fprintf(stderr, "FI_ACT=%s is not known\n", name);
  _exit(70);
}

__attribute__((constructor)) static void begin(void) {
  clock_offset = map_file("FI_CLOCK", 8);
  void *mapped = map_file("FI_STATE", 16);
  if (mapped != NULL) state = mapped;
  const char *ops = getenv("FI_OPS"), *log = getenv("FI_LOG");
  if (ops != NULL) {
    counted = 0;
    for (int kind = OPEN; kind <= READ; kind++)
      if (strstr(ops, NAMES[kind]) != NULL) counted |= 1u << kind;
  }
  if (getenv("FI_AT") != NULL) at = strtoull(getenv("FI_AT"), NULL, 10);
  if (getenv("FI_ACT") != NULL) act = act_of(getenv("FI_ACT"));
  sticky = getenv("FI_STICKY") != NULL && getenv("FI_STICKY")[0] == '1';
  if (log != NULL) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const char *folder = getenv("FI_PREFIX");
  prefix_length = folder == NULL ? 0 : strlen(folder);
  prefix = folder; /* last: from here on things count */
}

static int is_ours(const char *path) {
  return prefix != NULL && path != NULL && strncmp(path, prefix, prefix_length) == 0 &&
         (path[prefix_length] == '/' || path[prefix_length] == 0);
}

static const char *path_of(int fd) { return fd >= 0 && fd < DESCRIPTORS ? paths[fd] : NULL; }

/* The fault of this operation, NONE for most. Does those that do not come back. */
static enum act fault(enum kind kind) {
  if (!(counted & (1u << kind))) return NONE;
  uint64_t number = atomic_fetch_add(&state[0], 1) + 1;
  if (act == NONE || at == 0 || (sticky || half_done ? number < at : number != at)) return NONE;
  if (act == NOSYNC && kind != SYNC) return NONE;
  atomic_fetch_add(&state[1], 1);
  if (act == KILL || ((act == SHORT || act == TORN) && kind != WRITE)) kill(getpid(), SIGKILL);
  if (act == PAUSE) raise(SIGSTOP);
  return act;
}

static void put(enum kind kind, int flags, const char *path, const char *second, uint64_t offset, const void *data,
                size_t length) {
  if (log_fd < 0) return;
  uint8_t head[20] = {(uint8_t)kind, (uint8_t)flags};
  uint16_t path_length = path == NULL ? 0 : strlen(path), second_length = second == NULL ? 0 : strlen(second);
  uint32_t data_length = length;
  memcpy(head + 2, &path_length, 2);
  memcpy(head + 4, &second_length, 2);
  memcpy(head + 8, &offset, 8);
  memcpy(head + 16, &data_length, 4);
  struct iovec parts[4] = {{head, 20}, {(void *)path, path_length}, {(void *)second, second_length}, {(void *)data, length}};
  REAL(ssize_t, writev, int, const struct iovec *, int)
  if (real(log_fd, parts, 4) < 0) perror("FI_LOG");
}

/* Order of the log is order of effect. Without a log nothing is held up. */
static void enter(void) {
  if (log_fd >= 0) pthread_mutex_lock(&order);
}
static int leave(int result) {
  int kept = errno;
  if (log_fd >= 0) pthread_mutex_unlock(&order);
  errno = kept;
  return result;
}
static int fails(enum act given, enum kind kind, const char *path, const char *second) {
  errno = given == ENOSPC_ ? ENOSPC : EIO;
  if (given == ENOSPC_ && !sticky) half_done = 0;
  put(kind, kind == SYNC ? NOT_SYNCED : NOT_DONE, path, second, 0, NULL, 0);
  return leave(-1);
}
static int is_failure(enum act given) { return given == EIO_ || given == ENOSPC_; }

/* ---- writing and reading ---- */

static ssize_t raw_pwrite(int fd, const void *data, size_t length, off64_t offset) {
  REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
  return real(fd, data, length, offset);
}
static ssize_t raw_write(int fd, const void *data, size_t length) {
  REAL(ssize_t, write, int, const void *, size_t)
  return real(fd, data, length);
}

static ssize_t write_at(int fd, const void *data, size_t length, off64_t place, int is_positioned) {
  const char *path = path_of(fd);
  enter();
  enum act given = fault(WRITE);
  off64_t offset = place;
  if (!is_positioned) {
    struct stat found;
    offset = fcntl(fd, F_GETFL) & O_APPEND ? (fstat(fd, &found), found.st_size) : lseek64(fd, 0, SEEK_CUR);
  }
  if (given == EIO_ || (given == ENOSPC_ && (half_done || length < 2))) return fails(given, WRITE, path, NULL);
  size_t todo = length;
  if (given == SHORT || given == ENOSPC_) todo = length / 2;
  if (given == TORN) {
    off64_t border = (offset + length / 2 + 511) / 512 * 512;
    todo = border < offset + (off64_t)length ? (size_t)(border - offset) : 0;
  }
  ssize_t done = is_positioned ? raw_pwrite(fd, data, todo, place) : raw_write(fd, data, todo);
  if (done > 0) put(WRITE, 0, path, NULL, offset, data, done);
  if (given == SHORT || given == TORN) kill(getpid(), SIGKILL);
  if (given == ENOSPC_) half_done = 1;
  leave(0);
  return done;
}

ssize_t write(int fd, const void *data, size_t length) {
  if (path_of(fd) != NULL) return write_at(fd, data, length, 0, 0);
  if (fd != 1 || log_fd < 0 || prefix == NULL) return raw_write(fd, data, length);
  enter();
  put(SAY, 0, NULL, NULL, 0, data, length);
  ssize_t done = raw_write(fd, data, length);
  leave(0);
  return done;
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  return path_of(fd) != NULL ? write_at(fd, data, length, offset, 1) : raw_pwrite(fd, data, length, offset);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (path_of(fd) != NULL && count > 0) return write(fd, parts[0].iov_base, parts[0].iov_len); /* a short write is legal */
  REAL(ssize_t, writev, int, const struct iovec *, int)
  return real(fd, parts, count);
}

static int read_fault(int fd) {
  if (path_of(fd) == NULL || !is_failure(fault(READ))) return 0;
  errno = EIO;
  return 1;
}
ssize_t read(int fd, void *data, size_t length) {
  REAL(ssize_t, read, int, void *, size_t)
  return read_fault(fd) ? -1 : real(fd, data, length);
}
ssize_t pread64(int fd, void *data, size_t length, off64_t offset) {
  REAL(ssize_t, pread64, int, void *, size_t, off64_t)
  return read_fault(fd) ? -1 : real(fd, data, length, offset);
}
ssize_t pread(int fd, void *data, size_t length, off_t offset) { return pread64(fd, data, length, offset); }
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  REAL(void *, mmap64, void *, size_t, int, int, int, off64_t)
  return read_fault(fd) ? MAP_FAILED : real(address, length, protection, flags, fd, offset);
}

/* ---- opening ---- */

static void remember(int fd, const char *path) {
  if (fd < 0 || fd >= DESCRIPTORS) return;
  free(paths[fd]);
  paths[fd] = strdup(path);
}

static int open_ours(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  if (!is_ours(path)) return real(path, flags, mode);
  struct stat found;
  int exists = stat(path, &found) == 0;
  int changes = (flags & O_TRUNC && exists && S_ISREG(found.st_mode) && found.st_size > 0) || (flags & O_CREAT && !exists);
  if (!changes) {
    int fd = real(path, flags, mode);
    remember(fd, path);
    return fd;
  }
  enter();
  enum act given = fault(OPEN);
  if (is_failure(given)) return fails(given, OPEN, path, NULL);
  int fd = real(path, flags, mode);
  if (fd >= 0) {
    remember(fd, path);
    put(OPEN, 0, path, NULL, 0, NULL, 0);
  }
  return leave(fd);
}
#define OPEN_LIKE(name)                                         \
  int name(const char *path, int flags, ...) {                  \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                               \
    REAL(int, name, const char *, int, ...)                     \
    return open_ours(real, path, flags, mode);                  \
  }
OPEN_LIKE(open)
OPEN_LIKE(open64)

int openat(int folder, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (is_ours(path)) return open(path, flags, mode);
  REAL(int, openat, int, const char *, int, ...)
  return real(folder, path, flags, mode);
}

int close(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS && paths[fd] != NULL) {
    free(paths[fd]);
    paths[fd] = NULL;
  }
  REAL(int, close, int)
  return real(fd);
}

/* ---- stdio ---- */

struct stream {
  int fd;
  FILE *file;
  struct stream *next;
};
static struct stream *streams;
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t stream_read(void *cookie, char *data, size_t length) { return read(((struct stream *)cookie)->fd, data, length); }
static ssize_t stream_write(void *cookie, const char *data, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t now = write(((struct stream *)cookie)->fd, data + done, length - done);
    if (now <= 0) return done;
    done += now;
  }
  return length;
}
static int stream_seek(void *cookie, off64_t *offset, int whence) {
  off64_t now = lseek64(((struct stream *)cookie)->fd, *offset, whence);
  if (now < 0) return -1;
  *offset = now;
  return 0;
}
static int stream_close(void *cookie) {
  pthread_mutex_lock(&streams_lock);
  for (struct stream **at = &streams; *at != NULL; at = &(*at)->next)
    if (*at == cookie) {
      *at = (*at)->next;
      break;
    }
  pthread_mutex_unlock(&streams_lock);
  int result = close(((struct stream *)cookie)->fd);
  free(cookie);
  return result;
}

static FILE *open_stream(const char *path, const char *mode) {
  int flags = mode[0] == 'r' ? O_RDONLY : mode[0] == 'w' ? O_WRONLY | O_CREAT | O_TRUNC : O_WRONLY | O_CREAT | O_APPEND;
  int fd = open64(path, flags, 0666);
  if (fd < 0) return NULL;
  struct stream *stream = malloc(sizeof *stream);
  stream->fd = fd;
  cookie_io_functions_t io = {stream_read, stream_write, stream_seek, stream_close};
  stream->file = fopencookie(stream, mode, io);
  setvbuf(stream->file, NULL, _IOFBF, 4096);
  pthread_mutex_lock(&streams_lock);
  stream->next = streams;
  streams = stream;
  pthread_mutex_unlock(&streams_lock);
  return stream->file;
}
FILE *fopen64(const char *path, const char *mode) {
  REAL(FILE *, fopen64, const char *, const char *)
  return is_ours(path) ? open_stream(path, mode) : real(path, mode);
}
FILE *fopen(const char *path, const char *mode) { return fopen64(path, mode); }
int fileno(FILE *file) {
  pthread_mutex_lock(&streams_lock);
  int found = -1;
  for (struct stream *at = streams; at != NULL; at = at->next)
    if (at->file == file) found = at->fd;
  pthread_mutex_unlock(&streams_lock);
  REAL(int, fileno, FILE *)
  return found >= 0 ? found : real(file);
}

/* ---- syncing, and what changes folders ---- */

static int sync_ours(int (*real)(int), int fd) {
  const char *path = path_of(fd);
  if (path == NULL) return real(fd);
  enter();
  enum act given = fault(SYNC);
  if (is_failure(given)) return fails(given, SYNC, path, NULL);
  int result = given == NOSYNC ? 0 : real(fd);
  put(SYNC, given == NOSYNC ? NOT_SYNCED : 0, path, NULL, 0, NULL, 0);
  return leave(result);
}
int fsync(int fd) {
  REAL(int, fsync, int)
  return sync_ours(real, fd);
}
int fdatasync(int fd) {
  REAL(int, fdatasync, int)
  return sync_ours(real, fd);
}

int ftruncate64(int fd, off64_t length) {
  REAL(int, ftruncate64, int, off64_t)
  const char *path = path_of(fd);
  if (path == NULL) return real(fd, length);
  enter();
  enum act given = fault(TRUNCATE);
  if (is_failure(given)) return fails(given, TRUNCATE, path, NULL);
  int result = real(fd, length);
  if (result == 0) put(TRUNCATE, 0, path, NULL, length, NULL, 0);
  return leave(result);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *)
  if (!is_ours(from) && !is_ours(to)) return real(from, to);
  enter();
  enum act given = fault(RENAME);
  if (is_failure(given)) return fails(given, RENAME, from, to);
  int result = real(from, to);
  if (result == 0) put(RENAME, 0, from, to, 0, NULL, 0);
  return leave(result);
}

static int remove_ours(int (*real)(const char *), const char *path) {
  if (!is_ours(path) || access(path, F_OK) != 0) return real(path);
  enter();
  enum act given = fault(UNLINK);
  if (is_failure(given)) return fails(given, UNLINK, path, NULL);
  int result = real(path);
  if (result == 0) put(UNLINK, 0, path, NULL, 0, NULL, 0);
  return leave(result);
}
int unlink(const char *path) {
  REAL(int, unlink, const char *)
  return remove_ours(real, path);
}
int rmdir(const char *path) {
  REAL(int, rmdir, const char *)
  return remove_ours(real, path);
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t)
  if (!is_ours(path) || access(path, F_OK) == 0) return real(path, mode);
  enter();
  enum act given = fault(MKDIR);
  if (is_failure(given)) return fails(given, MKDIR, path, NULL);
  int result = real(path, mode);
  if (result == 0) put(MKDIR, 0, path, NULL, 0, NULL, 0);
  return leave(result);
}

/* ---- the wall clock ---- */

static void shift(struct timespec *time) {
  int64_t offset = clock_offset == NULL ? 0 : atomic_load(clock_offset);
  int64_t nanoseconds = time->tv_nsec + offset % 1000000000;
  time->tv_sec += offset / 1000000000;
  if (nanoseconds < 0) {
    nanoseconds += 1000000000;
    time->tv_sec -= 1;
  } else if (nanoseconds >= 1000000000) {
    nanoseconds -= 1000000000;
    time->tv_sec += 1;
  }
  time->tv_nsec = nanoseconds;
}
int clock_gettime(clockid_t which, struct timespec *now) {
  REAL(int, clock_gettime, clockid_t, struct timespec *)
  int result = real(which, now);
  if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) shift(now);
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec time;
  int result = clock_gettime(CLOCK_REALTIME, &time);
  if (result != 0) return result;
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
