#include "raw_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MODIFIED = 136, MODIFIED_BYTES = 12 };

int fc_raw_init(fc_raw *raw, int64_t *board)
{
    memset(raw, 0, sizeof *raw);
    fc_source_init(&raw->source);
    raw->board = board;
    raw->folder = -1;
    raw->buffer = malloc(FC_TAR_HEADER + FC_RAW_CHUNK);
    return raw->buffer ? 0 : -1;
}

void fc_raw_free(fc_raw *raw)
{
    fc_source_close(&raw->source);
    free(raw->buffer);
    raw->buffer = NULL;
}

/* Octal digits, or base 256 in two's complement, as GNU tar writes times before 1970. */
int64_t fc_raw_modified(const uint8_t *header)
{
    const uint8_t *p = header + MODIFIED, *end = p + MODIFIED_BYTES;
    if (*p & 0x80) {
        uint8_t sign = *p == 0xff ? 0xff : 0;
        uint64_t v = 0;
        if (!sign && *p != 0x80)
            return 0;
        for (p++; p < end - 8; p++)
            if (*p != sign)
                return 0;
        for (; p < end; p++)
            v = v << 8 | *p;
        return (v >> 63) == (sign & 1) ? (int64_t)v : 0;
    }
    int64_t v = 0;
    while (p < end && *p == ' ')
        p++;
    for (; p < end && *p >= '0' && *p <= '7'; p++)
        v = v << 3 | (*p - '0');
    return p == end || *p == ' ' || *p == 0 ? v : 0;
}

static int write_all(fc_raw *raw, int fd, const uint8_t *from, size_t n)
{
    while (n) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            raw->error = errno;
            return FC_RAW_WRITE;
        }
        from += done;
        n -= (size_t)done;
    }
    return FC_RAW_DONE;
}

static int of_source(int result)
{
    return result == FC_SOURCE_OPEN    ? FC_RAW_OPEN
           : result == FC_SOURCE_READ  ? FC_RAW_READ
           : result == FC_SOURCE_OK    ? FC_RAW_DONE
                                       : FC_RAW_CHANGED;
}

/* The image's bytes, in chunks. A member's header stands right before it, and comes with the first. */
static int copy(fc_raw *raw, fc_place *place, int fd, int64_t size)
{
    fc_source *source = &raw->source;
    int64_t head = !place->is_file && place->at >= FC_TAR_HEADER ? FC_TAR_HEADER : 0;
    int64_t at = 0;
    do {
        size_t n = (size_t)(size - at < FC_RAW_CHUNK ? size - at : FC_RAW_CHUNK);
        source->found_bytes = 0;
        int result = fc_source_take(source, place, at - head, raw->buffer, (size_t)head + n);
        if (result != FC_SOURCE_OK) {
            source->found_bytes += at - head;
            if (source->found_bytes < 0)
                source->found_bytes = 0;
            return of_source(result);
        }
        if (head) {
            place->modified.tv_sec = (time_t)fc_raw_modified(raw->buffer);
            place->modified.tv_nsec = 0;
        }
        result = write_all(raw, fd, raw->buffer + head, n);
        if (result != FC_RAW_DONE)
            return result;
        at += (int64_t)n;
        head = 0;
        raw->board[FC_BOARD_BYTES] += (int64_t)n;
    } while (at < size);
    return FC_RAW_DONE;
}

static int row_to_file(fc_raw *raw, int64_t row, int64_t stop)
{
    const fc_plan *plan = &raw->source.plan;
    size_t name_bytes = (size_t)(plan->name_start[row + 1] - plan->name_start[row]);
    char name[FC_RAW_NAME_MAX + 1];
    if (name_bytes == 0 || name_bytes > FC_RAW_NAME_MAX)
        return FC_RAW_NAME;
    memcpy(name, plan->name + plan->name_start[row], name_bytes);
    name[name_bytes] = 0;
    if (strlen(name) != name_bytes || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return FC_RAW_NAME;

    fc_place place;
    memset(&place, 0, sizeof place);
    int result = of_source(fc_source_find(&raw->source, row, stop, &place));
    if (result != FC_RAW_DONE)
        return result;
    int fd;
    do
        fd = openat(raw->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        raw->error = errno;
        fc_source_leave(&place);
        return FC_RAW_WRITE;
    }
    result = copy(raw, &place, fd, plan->size[row]);
    fc_source_leave(&place);
    if (result == FC_RAW_DONE) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place.modified};
        if (futimens(fd, times) < 0) {
            raw->error = errno;
            result = FC_RAW_WRITE;
        }
    }
    /* Some file systems say only here that the bytes did not fit. */
    if (close(fd) < 0 && errno != EINTR && result == FC_RAW_DONE) {
        raw->error = errno;
        result = FC_RAW_WRITE;
    }
    return result;
}

int fc_raw_run(fc_raw *raw, int64_t *row, int64_t stop)
{
    for (; *row < stop; ++*row) {
        raw->board[FC_BOARD_ROW] = *row;
        int result = row_to_file(raw, *row, stop);
        if (result != FC_RAW_DONE)
            return result;
        raw->board[FC_BOARD_RECORDS]++;
    }
    return FC_RAW_DONE;
}
