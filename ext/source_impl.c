#include "source_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void fc_source_init(fc_source *source)
{
    memset(source, 0, sizeof *source);
    for (int i = 0; i < FC_FILES; i++)
        source->files[i].file = -1;
}

void fc_source_close(fc_source *source)
{
    for (int i = 0; i < FC_FILES; i++)
        if (source->files[i].file >= 0)
            close(source->files[i].fd);
    for (int i = 0; i < FC_FILES; i++)
        source->files[i].file = -1;
}

static int read_at(fc_source *s, int fd, uint8_t *to, size_t n, int64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)(offset + (int64_t)done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            s->error = errno;
            return FC_SOURCE_READ;
        }
        if (got == 0) {
            s->found_bytes = (int64_t)done;
            return FC_SOURCE_CHANGED;
        }
        done += (size_t)got;
    }
    return FC_SOURCE_OK;
}

static int open_path(const uint8_t *folder, size_t folder_bytes, const uint8_t *name,
                     size_t name_bytes)
{
    char path[PATH_MAX];
    if (folder_bytes + name_bytes + 2 > sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path, folder, folder_bytes);
    if (name_bytes) {
        path[folder_bytes++] = '/';
        memcpy(path + folder_bytes, name, name_bytes);
    }
    path[folder_bytes + name_bytes] = 0;
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int64_t changed_ns(const struct stat *now)
{
#ifdef __APPLE__
    const struct timespec *t = &now->st_mtimespec;
#else
    const struct timespec *t = &now->st_mtim;
#endif
    return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* Whether an open archive is the one that was listed: places in another hold other bytes. */
static int is_as_listed(const fc_plan *plan, int32_t file, int fd)
{
    if (!plan->path_bytes || plan->path_bytes[file] < 0)
        return 1;
    struct stat now;
    if (fstat(fd, &now) < 0)
        return 0;
    if (!S_ISREG(now.st_mode))
        return 1; /* reading it will tell */
    errno = ESTALE;
    return (int64_t)now.st_size == plan->path_bytes[file] &&
           changed_ns(&now) == plan->path_changed[file];
}

/* Archives stay open, the few that there are; a folder of a thousand of them shares FC_FILES. */
static int archive(fc_source *s, int32_t file)
{
    fc_open_file *slot = &s->files[file % FC_FILES];
    if (slot->file == file)
        return slot->fd;
    const fc_plan *plan = &s->plan;
    int fd = open_path(plan->path + plan->path_start[file],
                       (size_t)(plan->path_start[file + 1] - plan->path_start[file]), NULL, 0);
    if (fd < 0 && errno == EMFILE) {
        fc_source_close(s); /* fewer may be open here than are kept: make room, and try again */
        fd = open_path(plan->path + plan->path_start[file],
                       (size_t)(plan->path_start[file + 1] - plan->path_start[file]), NULL, 0);
    }
    if (fd < 0)
        return -1;
    if (!is_as_listed(plan, file, fd)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    if (slot->file >= 0)
        close(slot->fd);
    slot->file = file;
    slot->fd = fd;
    return fd;
}

/* ---- reading ahead -------------------------------------------------------------------------

   In a shuffled order every read from an archive is a seek, and a disk or a parallel file system
   has many of them under way as quickly as one. So the reads to come are announced, as long as
   the archive proves not to be in memory already: there, announcing would only cost. */

enum { AHEAD_ROWS = 64, SLOW_READS = 3, COLD_ROWS = 4096 };

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Memory gives 2 GB/s at the least, and answers within 50 us but for the odd interruption. */
static void judge(fc_source *s, int64_t row, int64_t spent_ns, size_t n)
{
    if (spent_ns < 50000 + (int64_t)n / 2) {
        if (s->slow)
            s->slow--;
        return;
    }
    s->slow += 2;
    if (s->slow >= 2 * SLOW_READS) {
        s->slow = 0;
        s->cold_until = row + COLD_ROWS;
    }
}

static void announce(fc_source *s, int64_t row, int64_t stop)
{
#ifdef POSIX_FADV_WILLNEED
    if (row >= s->cold_until)
        return;
    if (s->advised <= row)
        s->advised = row + 1;
    for (; s->advised < stop && s->advised <= row + AHEAD_ROWS; s->advised++) {
        int32_t container = s->plan.container[s->advised];
        if (s->plan.container_is_folder[container])
            continue;
        int fd = archive(s, s->plan.container_file[container]);
        if (fd >= 0)
            (void)posix_fadvise(fd, s->plan.offset[s->advised], s->plan.size[s->advised],
                                POSIX_FADV_WILLNEED);
    }
#else
    (void)s, (void)row, (void)stop;
#endif
}

int fc_source_find(fc_source *s, int64_t row, int64_t stop, fc_place *place)
{
    announce(s, row, stop);
    const fc_plan *plan = &s->plan;
    int32_t container = plan->container[row];
    int32_t file = plan->container_file[container];
    place->row = row;
    place->is_file = plan->container_is_folder[container];
    place->at = plan->offset[row];
    if (!place->is_file) {
        place->fd = archive(s, file);
        if (place->fd >= 0)
            return FC_SOURCE_OK;
        s->error = errno;
        return FC_SOURCE_OPEN;
    }
    int fd = open_path(plan->path + plan->path_start[file],
                       (size_t)(plan->path_start[file + 1] - plan->path_start[file]),
                       plan->name + plan->name_start[row],
                       (size_t)(plan->name_start[row + 1] - plan->name_start[row]));
    struct stat now = {.st_mode = S_IFREG};
    if (fd < 0) {
        s->error = errno;
        return FC_SOURCE_OPEN;
    }
    int result = FC_SOURCE_OK;
    if (fstat(fd, &now) < 0 || !S_ISREG(now.st_mode)) {
        s->error = S_ISREG(now.st_mode) ? errno : EINVAL;
        result = FC_SOURCE_READ;
    } else if ((int64_t)now.st_size != plan->size[row]) {
        s->found_bytes = (int64_t)now.st_size;
        result = FC_SOURCE_CHANGED;
    }
    if (result != FC_SOURCE_OK) {
        close(fd);
        return result;
    }
    place->fd = fd;
#ifdef __APPLE__
    place->modified = now.st_mtimespec;
#else
    place->modified = now.st_mtim;
#endif
    return FC_SOURCE_OK;
}

int fc_source_take(fc_source *s, const fc_place *place, int64_t at, uint8_t *to, size_t n)
{
    if (place->is_file)
        return read_at(s, place->fd, to, n, at);
    int64_t began = nanoseconds();
    int result = read_at(s, place->fd, to, n, place->at + at);
    judge(s, place->row, nanoseconds() - began, n);
    return result;
}

void fc_source_leave(const fc_place *place)
{
    if (place->is_file)
        close(place->fd);
}

int fc_source_read(fc_source *s, int64_t row, int64_t stop, uint8_t *to, size_t n)
{
    fc_place place;
    int result = fc_source_find(s, row, stop, &place);
    if (result != FC_SOURCE_OK)
        return result;
    result = fc_source_take(s, &place, 0, to, n);
    fc_source_leave(&place);
    return result;
}
