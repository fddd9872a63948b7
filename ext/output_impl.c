#define _GNU_SOURCE /* fallocate, sync_file_range */
#include "output_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "crc32c_impl.h"
#include "grown_impl.h"

enum { INDEX_LINE_MAX = 48, PAGE_BYTES = 4096 };
/* Written back while the file still grows, so that the sync at its end finds little to do. */
enum { SEND_BYTES = 8 << 20 };

void fc_output_init(fc_output *out, int fd, size_t flush_bytes)
{
    memset(out, 0, sizeof *out);
    out->fd = fd;
    out->flush_bytes = flush_bytes;
}

void fc_output_free(fc_output *out)
{
    free(out->buffer);
    free(out->index);
    out->buffer = NULL;
    out->index = NULL;
}

/* Hands the first n bytes of the buffer to the system, and moves the rest to its beginning. */
static int hand_over(fc_output *out, size_t n_bytes)
{
    size_t done = 0;
    int result = 0;
    while (done < n_bytes) {
        ssize_t n = write(out->fd, out->buffer + done, n_bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            out->error = n < 0 ? errno : ENOSPC;
            result = -1; /* what was taken is gone from the buffer: the rest can be tried again */
            break;
        }
        done += (size_t)n;
    }
    out->flushed += (int64_t)done;
#ifdef SYNC_FILE_RANGE_WRITE
    if (out->flushed - out->sent >= SEND_BYTES) {
        /* A hint: whatever it meets, the sync at the end meets too, and reports. */
        (void)sync_file_range(out->fd, out->sent, out->flushed - out->sent, SYNC_FILE_RANGE_WRITE);
        out->sent = out->flushed;
    }
#endif
    out->fill -= done;
    if (out->fill) /* there may be no buffer yet */
        memmove(out->buffer, out->buffer + done, out->fill);
    return result;
}

int fc_output_flush(fc_output *out)
{
    return hand_over(out, out->fill);
}

static int retried(fc_output *out, int result)
{
    out->error = result < 0 ? errno : 0;
    return result < 0 && errno == EINTR;
}

/* Memory has nothing to lay out, and finding its pages twice takes a tenth of the time. */
static int is_memory(int fd)
{
#ifdef __linux__
    struct statfs where;
    return fstatfs(fd, &where) == 0 && (where.f_type == TMPFS_MAGIC || where.f_type == RAMFS_MAGIC);
#else
    (void)fd;
    return 0;
#endif
}

int fc_output_allocate(fc_output *out, int64_t bytes)
{
#ifdef FALLOC_FL_KEEP_SIZE
    if (is_memory(out->fd))
        return 0;
    while (bytes > 0 && retried(out, fallocate(out->fd, FALLOC_FL_KEEP_SIZE, 0, bytes)))
        ;
    /* A file system that cannot does without; one that is full may have room for what is really
       written, and may have set aside a part. */
    out->allocated = out->error && out->error != ENOSPC && out->error != EDQUOT ? 0 : bytes;
    out->error = 0;
#else
    (void)out, (void)bytes;
#endif
    return 0;
}

int fc_output_finish(fc_output *out)
{
    if (fc_output_flush(out) < 0)
        return -1;
    out->error = 0; /* of a write that was tried again */
    if (out->allocated)
        while (retried(out, ftruncate(out->fd, out->flushed)))
            ;
    if (!out->error)
        while (retried(out, fsync(out->fd)))
            ;
    return out->error ? -1 : 0;
}

uint8_t *fc_output_reserve(fc_output *out, size_t n)
{
    /* Whole pages only: the kernel copies between aligned places, and no page is written twice. */
    size_t pages = out->fill / PAGE_BYTES * PAGE_BYTES;
    if (pages && out->fill + n > out->flush_bytes && hand_over(out, pages) < 0)
        return NULL;
    size_t need = out->fill + n > out->flush_bytes ? out->fill + n : out->flush_bytes;
    if (need > out->capacity) {
        void *larger;
        size_t wanted = out->capacity ? need + need / 2 : need;
        if (posix_memalign(&larger, PAGE_BYTES, wanted)) {
            out->error = ENOMEM;
            return NULL;
        }
        if (out->fill)
            memcpy(larger, out->buffer, out->fill);
        free(out->buffer);
        out->buffer = larger;
        out->capacity = wanted;
    }
    return out->buffer + out->fill;
}

static char *put_decimal(char *p, uint64_t v)
{
    char digits[20];
    int n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *p++ = digits[--n];
    return p;
}

int fc_output_seal(fc_output *out, size_t payload_bytes)
{
    uint8_t *frame = out->buffer + out->fill;
    uint8_t *payload = frame + FC_FRAME_HEAD;
    uint64_t length = payload_bytes;
    memcpy(frame, &length, 8);
    uint32_t masked = fc_crc32c_mask(fc_crc32c(0, frame, 8));
    memcpy(frame + 8, &masked, 4);
    uint32_t crc = fc_crc32c(0, payload, payload_bytes);
    masked = fc_crc32c_mask(crc);
    memcpy(payload + payload_bytes, &masked, 4);
    out->crc = fc_crc32c(out->crc, frame, FC_FRAME_HEAD);
    out->crc = fc_crc32c_join(out->crc, crc, payload_bytes);
    out->crc = fc_crc32c(out->crc, payload + payload_bytes, FC_FRAME_TAIL);

    char *index = fc_grown(out->index, &out->index_capacity, out->index_bytes + INDEX_LINE_MAX);
    if (!index) {
        out->error = ENOMEM;
        return -1;
    }
    out->index = index;
    size_t frame_bytes = FC_FRAME_HEAD + payload_bytes + FC_FRAME_TAIL;
    char *line = index + out->index_bytes;
    char *end = put_decimal(line, (uint64_t)out->flushed + out->fill);
    *end++ = ' ';
    end = put_decimal(end, frame_bytes);
    *end++ = '\n';
    out->index_bytes += (size_t)(end - line);
    out->fill += frame_bytes;
    out->records++;
    return 0;
}
