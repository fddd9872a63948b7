/* Faults of a file system, injected between a program and libc by LD_PRELOAD.

   FAULT_STATE names a file of `struct state` (tests/faults/shim.py makes it), which all processes
   of a job share. Calls that concern files below its roots are counted by root and kind. The k-th
   one of the kind asked for meets the fault: an errno, half of the bytes, or the process's death.
   Without FAULT_STATE nothing is done but that syncs are none.
   FAULT_LOG, where it is set, names a file that gets a line for each call: process, root, kind,
   path. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define EXPORT __attribute__((visibility("default")))

enum kind { OPEN, READ, WRITE, SYNC, RANGE, RENAME, UNLINK, MKDIR, TRUNCATE, ALLOCATE, CLOSE, LIST,
            STAT, LOCK, KINDS };
static const char *const KIND_NAMES[KINDS] = {
    "open", "read", "write", "sync", "range", "rename", "unlink", "mkdir", "truncate", "allocate",
    "close", "list", "stat", "lock" };
enum { ROOTS = 2 };
enum when { ONCE, FROM_THEN_ON, EVERY_OTHER };
/* ERRNO in place of the call; SHORT: half of it is done, and that is said. DEAD before the call,
   TORN when half of it is done, DONE behind it: then the process is killed. */
enum fault { NONE, ERRNO, SHORT, DEAD, TORN, DONE };

struct state {
    char root[ROOTS][PATH_BYTES]; /* absolute, without a slash at the end; may be empty */
    int64_t count[ROOTS][KINDS];
    int64_t in_root, kind, k, when, fault, error;
    char match[PATH_BYTES]; /* only calls whose path holds this are those meant by k */
    int64_t matched, fired;
    char fired_at[PATH_BYTES]; /* the path of the first call that met the fault */
};

static struct state *state;
static int log_fd = -1;

/* The real function, looked for once. `static` in a macro gives each its own. */
#define REAL(result, name, ...)                                                                    \
    static result (*real)(__VA_ARGS__);                                                            \
    if (!real)                                                                                     \
        *(void **)&real = dlsym(RTLD_NEXT, name)

/* Also called in a fork that got another environment (server.py). */
EXPORT __attribute__((constructor)) void fault_attach(void)
{
    const char *path = getenv("FAULT_STATE");
    if (!path)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        abort();
    void *found = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (found == MAP_FAILED)
        abort();
    syscall(SYS_close, fd);
    state = found;
    path = getenv("FAULT_LOG");
    if (path) {
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                          0600);
        /* Out of the way of programs that count on low numbers. */
        log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 500);
        syscall(SYS_close, fd);
    }
}

/* The path of an open file, or "". */
static void path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_BYTES - 1);
    path[n < 0 ? 0 : n] = 0;
}

static void path_at(int folder, const char *name, char *path)
{
    path[0] = 0;
    if (!name)
        return;
    if (name[0] == '/') {
        snprintf(path, PATH_BYTES, "%s", name);
        return;
    }
    if (folder != AT_FDCWD)
        path_of(folder, path);
    else if (syscall(SYS_getcwd, path, PATH_BYTES) < 0)
        path[0] = 0;
    size_t n = strlen(path);
    if (name[0])
        snprintf(path + n, PATH_BYTES - n, "/%s", name);
}

static int root_of(const char *path)
{
    for (int i = 0; i < ROOTS; i++) {
        size_t n = strlen(state->root[i]);
        if (n && strncmp(path, state->root[i], n) == 0 && (path[n] == 0 || path[n] == '/'))
            return i;
    }
    return -1;
}

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;)
        pause();
}

/* Counts a call, and says what fault it meets; errno is set for ERRNO. */
static enum fault met(enum kind kind, const char *path)
{
    int saved = errno;
    int root = root_of(path);
    if (root < 0)
        return NONE;
    __atomic_add_fetch(&state->count[root][kind], 1, __ATOMIC_SEQ_CST);
    if (log_fd >= 0) {
        char line[PATH_BYTES + 64];
        int bytes = snprintf(line, sizeof line, "%d %d %s %s\n", (int)syscall(SYS_getpid), root,
                             KIND_NAMES[kind], path);
        syscall(SYS_write, log_fd, line, (size_t)bytes);
    }
    errno = saved;
    if (state->fault == NONE || root != state->in_root || kind != (enum kind)state->kind ||
        !strstr(path, state->match))
        return NONE;
    int64_t n = __atomic_add_fetch(&state->matched, 1, __ATOMIC_SEQ_CST);
    if (n < state->k || (state->when == ONCE && n > state->k) ||
        (state->when == EVERY_OTHER && (n - state->k) % 2))
        return NONE;
    if (__atomic_add_fetch(&state->fired, 1, __ATOMIC_SEQ_CST) == 1)
        snprintf(state->fired_at, PATH_BYTES, "%s", path);
    if (state->fault == DEAD)
        die();
    if (state->fault == ERRNO)
        errno = (int)state->error;
    return (enum fault)state->fault;
}

static enum fault met_fd(enum kind kind, int fd)
{
    if (!state)
        return NONE;
    char path[PATH_BYTES];
    path_of(fd, path);
    return met(kind, path);
}

static enum fault met_at(enum kind kind, int folder, const char *name)
{
    if (!state)
        return NONE;
    char path[PATH_BYTES];
    path_at(folder, name, path);
    return met(kind, path);
}

static size_t half(enum fault fault, size_t n)
{
    return (fault == SHORT || fault == TORN) && n > 1 ? n / 2 : n;
}

#define ENDED(result)                                                                              \
    do {                                                                                           \
        if (fault == TORN || fault == DONE)                                                        \
            die();                                                                                 \
        return result;                                                                             \
    } while (0)

/* ---- opening ------------------------------------------------------------------------------- */

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                       \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode = va_arg(more, mode_t);                                                               \
        va_end(more);                                                                              \
    }

static int open_it(int folder, const char *name, int flags, mode_t mode)
{
    enum fault fault = met_at(OPEN, folder, name);
    if (fault == ERRNO)
        return -1;
    int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    ENDED(fd);
}

#define OPENS(name)                                                                                \
    EXPORT int name(const char *path, int flags, ...)                                              \
    {                                                                                              \
        MODE_OF(flags)                                                                             \
        return open_it(AT_FDCWD, path, flags, mode);                                               \
    }
#define OPENS_AT(name)                                                                             \
    EXPORT int name(int folder, const char *path, int flags, ...)                                  \
    {                                                                                              \
        MODE_OF(flags)                                                                             \
        return open_it(folder, path, flags, mode);                                                 \
    }
OPENS(open)
OPENS(open64)
OPENS(__open_2)
OPENS(__open64_2)
OPENS_AT(openat)
OPENS_AT(openat64)
OPENS_AT(__openat_2)
OPENS_AT(__openat64_2)

#define CREATES(name)                                                                              \
    EXPORT int name(const char *path, mode_t mode)                                                 \
    {                                                                                              \
        return open_it(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);                        \
    }
CREATES(creat)
CREATES(creat64)

EXPORT int close(int fd)
{
    enum fault fault = met_fd(CLOSE, fd);
    int error = errno;
    int result = (int)syscall(SYS_close, fd); /* it is closed, whatever close says */
    if (fault == ERRNO) {
        errno = error;
        return -1;
    }
    ENDED(result);
}

/* ---- reading and writing ------------------------------------------------------------------- */

EXPORT ssize_t read(int fd, void *to, size_t n)
{
    enum fault fault = met_fd(READ, fd);
    if (fault == ERRNO)
        return -1;
    ssize_t got = syscall(SYS_read, fd, to, half(fault, n));
    ENDED(got);
}

EXPORT ssize_t __read_chk(int fd, void *to, size_t n, size_t room)
{
    (void)room;
    return read(fd, to, n);
}

#define PREADS(name, ...)                                                                          \
    EXPORT ssize_t name(int fd, void *to, size_t n, off64_t at, ##__VA_ARGS__)                     \
    {                                                                                              \
        enum fault fault = met_fd(READ, fd);                                                       \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        ssize_t got = syscall(SYS_pread64, fd, to, half(fault, n), at);                            \
        ENDED(got);                                                                                \
    }
PREADS(pread)
PREADS(pread64)
PREADS(__pread_chk, __attribute__((unused)) size_t room)
PREADS(__pread64_chk, __attribute__((unused)) size_t room)

EXPORT ssize_t readv(int fd, const struct iovec *parts, int n)
{
    enum fault fault = met_fd(READ, fd);
    if (fault == ERRNO)
        return -1;
    struct iovec first = n > 0 ? parts[0] : (struct iovec){0};
    first.iov_len = half(fault, first.iov_len);
    int some = fault == SHORT || fault == TORN;
    ssize_t got = syscall(SYS_readv, fd, some ? &first : parts, some ? 1 : n);
    ENDED(got);
}

EXPORT ssize_t write(int fd, const void *from, size_t n)
{
    enum fault fault = met_fd(WRITE, fd);
    if (fault == ERRNO)
        return -1;
    ssize_t done = syscall(SYS_write, fd, from, half(fault, n));
    ENDED(done);
}

#define PWRITES(name)                                                                              \
    EXPORT ssize_t name(int fd, const void *from, size_t n, off64_t at)                            \
    {                                                                                              \
        enum fault fault = met_fd(WRITE, fd);                                                      \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        ssize_t done = syscall(SYS_pwrite64, fd, from, half(fault, n), at);                        \
        ENDED(done);                                                                               \
    }
PWRITES(pwrite)
PWRITES(pwrite64)

EXPORT ssize_t writev(int fd, const struct iovec *parts, int n)
{
    enum fault fault = met_fd(WRITE, fd);
    if (fault == ERRNO)
        return -1;
    struct iovec first = n > 0 ? parts[0] : (struct iovec){0};
    first.iov_len = half(fault, first.iov_len);
    int some = fault == SHORT || fault == TORN;
    ssize_t done = syscall(SYS_writev, fd, some ? &first : parts, some ? 1 : n);
    ENDED(done);
}

/* ---- what else is done to open files ------------------------------------------------------- */

#define ON_FD(name, kind, parameters, call)                                                        \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        enum fault fault = met_fd(kind, fd);                                                       \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        int result = (int)syscall call;                                                            \
        ENDED(result);                                                                             \
    }
/* Nothing here cuts the power, and a disk takes longer for a sync than a whole job does otherwise:
   a sync asks whether the file could be synced, and does no more. */
ON_FD(fsync, SYNC, (int fd), (SYS_fcntl, fd, F_GETFD) < 0 ? -1 : 0)
ON_FD(fdatasync, SYNC, (int fd), (SYS_fcntl, fd, F_GETFD) < 0 ? -1 : 0)
ON_FD(syncfs, SYNC, (int fd), (SYS_fcntl, fd, F_GETFD) < 0 ? -1 : 0)
EXPORT int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
    (void)at, (void)n, (void)flags;
    enum fault fault = met_fd(RANGE, fd);
    ENDED(fault == ERRNO ? -1 : 0);
}
ON_FD(ftruncate, TRUNCATE, (int fd, off64_t bytes), (SYS_ftruncate, fd, bytes))
ON_FD(ftruncate64, TRUNCATE, (int fd, off64_t bytes), (SYS_ftruncate, fd, bytes))
ON_FD(fallocate, ALLOCATE, (int fd, int how, off64_t at, off64_t n),
      (SYS_fallocate, fd, how, at, n))
ON_FD(fallocate64, ALLOCATE, (int fd, int how, off64_t at, off64_t n),
      (SYS_fallocate, fd, how, at, n))
ON_FD(flock, LOCK, (int fd, int how), (SYS_flock, fd, how))

/* ---- names --------------------------------------------------------------------------------- */

static int rename_it(int from_folder, const char *from, int folder, const char *to, unsigned how)
{
    enum fault fault = met_at(RENAME, folder, to);
    if (fault == ERRNO)
        return -1;
    int result = (int)syscall(SYS_renameat2, from_folder, from, folder, to, how);
    ENDED(result);
}

EXPORT int rename(const char *from, const char *to)
{
    return rename_it(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int renameat(int from_folder, const char *from, int folder, const char *to)
{
    return rename_it(from_folder, from, folder, to, 0);
}

EXPORT int renameat2(int from_folder, const char *from, int folder, const char *to, unsigned how)
{
    return rename_it(from_folder, from, folder, to, how);
}

#define ON_NAME(name, kind, parameters, folder, call)                                              \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        enum fault fault = met_at(kind, folder, path);                                             \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        int result = (int)syscall call;                                                            \
        ENDED(result);                                                                             \
    }
ON_NAME(unlink, UNLINK, (const char *path), AT_FDCWD, (SYS_unlinkat, AT_FDCWD, path, 0))
ON_NAME(unlinkat, UNLINK, (int in, const char *path, int how), in, (SYS_unlinkat, in, path, how))
ON_NAME(rmdir, UNLINK, (const char *path), AT_FDCWD, (SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR))
ON_NAME(mkdir, MKDIR, (const char *path, mode_t mode), AT_FDCWD,
        (SYS_mkdirat, AT_FDCWD, path, mode))
ON_NAME(mkdirat, MKDIR, (int in, const char *path, mode_t mode), in, (SYS_mkdirat, in, path, mode))
ON_NAME(truncate, TRUNCATE, (const char *path, off64_t bytes), AT_FDCWD,
        (SYS_truncate, path, bytes))
ON_NAME(truncate64, TRUNCATE, (const char *path, off64_t bytes), AT_FDCWD,
        (SYS_truncate, path, bytes))

/* ---- looking ------------------------------------------------------------------------------- */

EXPORT DIR *opendir(const char *path)
{
    REAL(DIR *, "opendir", const char *);
    enum fault fault = met_at(LIST, AT_FDCWD, path);
    if (fault == ERRNO)
        return NULL;
    DIR *result = real(path);
    ENDED(result);
}

#define LISTS(type, name)                                                                          \
    EXPORT type *name(DIR *folder)                                                                 \
    {                                                                                              \
        REAL(type *, #name, DIR *);                                                                \
        enum fault fault = met_fd(LIST, dirfd(folder));                                            \
        if (fault == ERRNO)                                                                        \
            return NULL;                                                                           \
        type *result = real(folder);                                                               \
        ENDED(result);                                                                             \
    }
LISTS(struct dirent, readdir)
LISTS(struct dirent64, readdir64)

#define STATS(type, name)                                                                          \
    EXPORT int name(const char *path, type *to)                                                    \
    {                                                                                              \
        REAL(int, #name, const char *, type *);                                                    \
        enum fault fault = met_at(STAT, AT_FDCWD, path);                                           \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        int result = real(path, to);                                                               \
        ENDED(result);                                                                             \
    }
#define STATS_FD(type, name)                                                                       \
    EXPORT int name(int fd, type *to)                                                              \
    {                                                                                              \
        REAL(int, #name, int, type *);                                                             \
        enum fault fault = met_fd(STAT, fd);                                                       \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        int result = real(fd, to);                                                                 \
        ENDED(result);                                                                             \
    }
#define STATS_AT(type, name)                                                                       \
    EXPORT int name(int in, const char *path, type *to, int how)                                   \
    {                                                                                              \
        REAL(int, #name, int, const char *, type *, int);                                          \
        enum fault fault = met_at(STAT, in, path);                                                 \
        if (fault == ERRNO)                                                                        \
            return -1;                                                                             \
        int result = real(in, path, to, how);                                                      \
        ENDED(result);                                                                             \
    }
STATS(struct stat, stat)
STATS(struct stat64, stat64)
STATS(struct stat, lstat)
STATS(struct stat64, lstat64)
STATS_FD(struct stat, fstat)
STATS_FD(struct stat64, fstat64)
STATS_AT(struct stat, fstatat)
STATS_AT(struct stat64, fstatat64)
