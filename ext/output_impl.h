/* One TFRecord file in the making: frames, running checksum, index lines, large writes. */
#ifndef FASTCONV_OUTPUT_H
#define FASTCONV_OUTPUT_H
#include <stddef.h>
#include <stdint.h>

enum { FC_FRAME_HEAD = 12, FC_FRAME_TAIL = 4 };

typedef struct {
    int fd;
    int error;         /* errno of what failed last, or 0 */
    uint8_t *buffer;
    size_t capacity, fill, flush_bytes;
    int64_t flushed;   /* bytes already handed to the system */
    int64_t sent;      /* of these, the ones that the system was told to write back */
    int64_t allocated; /* bytes set aside for the file, 0 for none */
    int64_t records;
    uint32_t crc;      /* CRC32C of every byte of the file so far */
    char *index;       /* "<offset> <size>\n" a record */
    size_t index_capacity, index_bytes;
} fc_output;

void fc_output_init(fc_output *out, int fd, size_t flush_bytes);
void fc_output_free(fc_output *out);

/* Sets bytes of disk aside for the file, where its system can and it is a disk. Its size stays. */
int fc_output_allocate(fc_output *out, int64_t bytes);

/* Hands over what is left, gives back what was set aside too much, and waits for the disk. */
int fc_output_finish(fc_output *out);

/* Hands the buffer to the system. Returns 0, or -1 with out->error set; so does fc_output_seal. */
int fc_output_flush(fc_output *out);

/* Where the next frame begins, with room for n bytes; NULL with out->error set. */
uint8_t *fc_output_reserve(fc_output *out, size_t n);

/* The payload stands FC_FRAME_HEAD bytes behind what fc_output_reserve returned: frame it. */
int fc_output_seal(fc_output *out, size_t payload_bytes);
#endif
