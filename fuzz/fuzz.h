/* What the targets have in common; the first to be included. */
#ifndef FASTCONV_FUZZ_H
#define FASTCONV_FUZZ_H
#define _GNU_SOURCE /* memfd_create */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Also where NDEBUG is set. */
#define CHECK(holds)                                                        \
    do {                                                                    \
        if (!(holds)) {                                                     \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                        \
        }                                                                   \
    } while (0)

/* libFuzzer's side: what it calls, and its own mutations. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t bytes_max);

/* An anonymous file, one for as long as the process runs, of exactly these bytes. */
static inline int fuzz_file(int *fd, const uint8_t *data, size_t bytes)
{
    if (*fd < 0)
        *fd = memfd_create("fuzz", 0);
    CHECK(*fd >= 0 && pwrite(*fd, data, bytes, 0) == (ssize_t)bytes);
    CHECK(ftruncate(*fd, (off_t)bytes) == 0);
    return *fd;
}

/* What is left of an input that arguments are made of; behind its end all is 0. */
typedef struct {
    const uint8_t *p;
    size_t bytes;
} fuzz_input;

static inline uint64_t fuzz_take(fuzz_input *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && in->bytes; i++, in->p++, in->bytes--)
        value |= (uint64_t)*in->p << (8 * i);
    return value;
}

/* From 0 to `most`. */
static inline uint64_t fuzz_up_to(fuzz_input *in, uint64_t most)
{
    return fuzz_take(in, most < 256 ? 1 : most < 65536 ? 2 : 8) % (most + 1);
}
#endif
