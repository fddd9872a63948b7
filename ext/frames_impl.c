#include "frames_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 48 }; /* two numbers of 19 digits, and what is around them */

static uint32_t table[256];

void fc_frames_init(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
        table[byte] = crc;
    }
}

uint32_t fc_frames_masked(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++)
        crc = (crc >> 8) ^ table[(crc ^ p[i]) & 255];
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

static int read_head(fc_frames *f, int fd, uint8_t *head)
{
    int done = 0;
    while (done < FC_FRAMES_HEAD) {
        ssize_t got = pread(fd, head + done, (size_t)(FC_FRAMES_HEAD - done),
                            (off_t)(f->at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            f->error = errno;
            return FC_FRAMES_READ;
        }
        if (got == 0)
            return FC_FRAMES_HEAD_CUT;
        done += (int)got;
    }
    return FC_FRAMES_WHOLE;
}

static int add_line(fc_frames *f, int64_t bytes)
{
    if (f->capacity - f->used < LINE) {
        size_t wanted = 2 * f->capacity + 65536;
        char *larger = realloc(f->lines, wanted);
        if (!larger)
            return FC_FRAMES_MEMORY;
        f->lines = larger;
        f->capacity = wanted;
    }
    f->used += (size_t)snprintf(f->lines + f->used, LINE, "%lld %lld\n", (long long)f->at,
                                (long long)bytes);
    return FC_FRAMES_WHOLE;
}

int fc_frames_index(fc_frames *f, int fd, int64_t end)
{
    memset(f, 0, sizeof *f);
    while (f->at < end) {
        uint8_t head[FC_FRAMES_HEAD];
        uint64_t size;
        uint32_t crc;
        int why = read_head(f, fd, head);
        if (why)
            return why;
        memcpy(&size, head, 8);
        memcpy(&crc, head + 8, 4);
        if (fc_frames_masked(head, 8) != crc)
            return FC_FRAMES_HEAD_WRONG;
        if (size > (uint64_t)(end - f->at) || end - f->at - (int64_t)size < FC_FRAMES_OVERHEAD)
            return FC_FRAMES_CUT;
        if ((why = add_line(f, (int64_t)size + FC_FRAMES_OVERHEAD)))
            return why;
        f->at += (int64_t)size + FC_FRAMES_OVERHEAD;
        f->record++;
    }
    return FC_FRAMES_WHOLE;
}

void fc_frames_free(fc_frames *f)
{
    free(f->lines);
    memset(f, 0, sizeof *f);
}
