/* The scan of tar headers: any file, from any offset, to any end; and of bytes in windows.

   By contract 0 <= begin, and begin <= end: what fastconv asks for is a file's or a member's bytes.
   The end may be behind the file's, as it is when an archive is cut off while it is read. */
#include "fuzz.h"

#include "../ext/tar_impl.h"

enum { BLOCK = 512 };

static const int GO_ON = 0, STOP = 1;

static void plausible(const fc_tar *tar, int status, int64_t begin, int64_t end)
{
    CHECK(status >= FC_TAR_OK && status <= FC_TAR_BEHIND && status != FC_TAR_READ);
    CHECK(status != FC_TAR_STOPPED);
    CHECK(status != FC_TAR_MEMORY && tar->error == 0);
    CHECK(tar->at >= begin && (tar->at - begin) % BLOCK == 0);
    int64_t name_at = 0, at = begin;
    for (size_t i = 0; i < tar->count; i++) {
        int is_last = i + 1 == tar->count;
        CHECK(tar->size[i] >= 0 && tar->offset[i] >= at + BLOCK);
        CHECK((tar->offset[i] - begin) % BLOCK == 0);
        CHECK(tar->offset[i] <= end || (is_last && status == FC_TAR_CUT));
        CHECK(tar->size[i] <= end - tar->offset[i] || (is_last && status == FC_TAR_CUT));
        CHECK(tar->type[i] != 0 && tar->type[i] != '7' && tar->type[i] != 'L');
        CHECK(tar->name_end[i] >= name_at);
        name_at = tar->name_end[i];
        at = tar->offset[i];
    }
    CHECK(name_at == (int64_t)tar->names_bytes && tar->names_bytes <= tar->names_capacity);
}

static void same(const fc_tar *a, const fc_tar *b, int64_t shift)
{
    CHECK(a->count == b->count && a->names_bytes == b->names_bytes && a->at + shift == b->at);
    for (size_t i = 0; i < a->count; i++) {
        CHECK(a->offset[i] + shift == b->offset[i] && a->size[i] == b->size[i]);
        CHECK(a->type[i] == b->type[i] && a->name_end[i] == b->name_end[i]);
    }
    CHECK(a->names_bytes == 0 || memcmp(a->names, b->names, a->names_bytes) == 0);
}

/* The same archive in windows of any size, which may begin before what is needed, or lack it. A
   file that ends before `end` is one whose bytes never come, which is for the one who has it. */
static int in_windows(fc_tar *tar, const uint8_t *data, int64_t bytes, int64_t end, unsigned seed)
{
    int64_t at = 0, n = 0;
    int result;
    fc_tar_begin(tar, 0, end, &GO_ON);
    while ((result = fc_tar_feed(tar, data + at, at, n)) == FC_TAR_NEED) {
        CHECK(tar->need_bytes > 0 && tar->need_bytes <= BLOCK && tar->need_at >= 0);
        CHECK(tar->need_at + tar->need_bytes <= end);
        if (tar->need_at + tar->need_bytes > bytes)
            return FC_TAR_CUT;
        seed = seed * 1103515245 + 12345;
        if (seed >> 16 & 1) { /* else one that is of no use */
            at = tar->need_at - (int64_t)(seed >> 20) % (tar->need_at + 1);
            n = tar->need_at + tar->need_bytes + (int64_t)(seed >> 18) % 2048 - at;
            n = n > bytes - at ? bytes - at : n;
        } else {
            n = n / 2;
        }
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int fd = -1, shifted_fd = -1;
    static uint8_t shifted[1 << 17];
    fc_tar tar, again;
    if (bytes < 1 || bytes > sizeof shifted - 2 * 256)
        return -1;
    /* The first byte moves the archive's end, and a copy of it, away from where the file has it. */
    const int moved = (int8_t)data[0];
    data++, bytes--;
    int64_t end = (int64_t)bytes + moved;
    end = end < 0 ? 0 : end;

    int status = fc_tar_scan(&tar, fuzz_file(&fd, data, bytes), 0, end, &GO_ON);
    plausible(&tar, status, 0, end);

    int status_of_windows = in_windows(&again, data, (int64_t)bytes, end, (unsigned)bytes + data[-1]);
    CHECK(status == status_of_windows);
    same(&tar, &again, 0);
    fc_tar_free(&again);

    int64_t shift = moved < 0 ? -moved : moved;
    memset(shifted, 'x', (size_t)shift);
    memcpy(shifted + shift, data, bytes);
    fuzz_file(&shifted_fd, shifted, (size_t)shift + bytes);
    int status_again = fc_tar_scan(&again, shifted_fd, shift, shift + end, &GO_ON);
    plausible(&again, status_again, shift, shift + end);
    CHECK(status == status_again);
    same(&tar, &again, shift);
    fc_tar_free(&again);

    CHECK(fc_tar_scan(&again, fd, 0, end, &STOP) == (end >= BLOCK ? FC_TAR_STOPPED
                                                     : end        ? FC_TAR_CUT
                                                                  : FC_TAR_NO_END));
    CHECK(again.count == 0);
    fc_tar_free(&again);
    fc_tar_free(&tar);
    return 0;
}

static void sign(uint8_t *h)
{
    unsigned sum = 8 * ' ';
    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? 0 : h[i];
    char text[8];
    snprintf(text, sizeof text, "%06o", sum & 0777777);
    memcpy(h + 148, text, 7);
    h[155] = ' ';
}

/* Behind nearly every mutation checksums are made right, or none would be passed. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned int seed)
{
    static int fd = -1;
    bytes = LLVMFuzzerMutate(data, bytes, bytes_max);
    if (seed % 8 == 0 || bytes < 1 + BLOCK)
        return bytes;
    for (int turn = 0; turn < 8; turn++) {
        fc_tar tar;
        int status = fc_tar_scan(&tar, fuzz_file(&fd, data + 1, bytes - 1), 0,
                                 (int64_t)bytes - 1, &GO_ON);
        int64_t at = tar.at;
        fc_tar_free(&tar);
        if (status != FC_TAR_CHECKSUM)
            break;
        sign(data + 1 + at);
    }
    return bytes;
}
