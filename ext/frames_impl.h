/* Where the records of a TFRecord file are, by the heads of their frames alone. Shares no code with
   what writes frames; the checksum is the plain table of RFC 3720. */
#ifndef FASTCONV_FRAMES_H
#define FASTCONV_FRAMES_H
#include <stddef.h>
#include <stdint.h>

enum { FC_FRAMES_HEAD = 12, FC_FRAMES_OVERHEAD = 16 }; /* size and its checksum; the payload's too */

enum {
    FC_FRAMES_WHOLE = 0,
    FC_FRAMES_READ,       /* error: errno */
    FC_FRAMES_HEAD_CUT,   /* the file ends inside a head */
    FC_FRAMES_HEAD_WRONG, /* a head's checksum is wrong */
    FC_FRAMES_CUT,        /* the file ends inside a frame */
    FC_FRAMES_MEMORY
};

typedef struct {
    char *lines; /* "<offset> <size of the whole frame>\n" of the records before `at` */
    size_t used, capacity;
    int64_t at, record; /* of the frame that it stopped at: offset, and number from 0 on */
    int error;
} fc_frames;

/* Prepares the table; call once before the others. */
void fc_frames_init(void);

/* The masked CRC32C (RFC 3720, appendix B.4) of n bytes. */
uint32_t fc_frames_masked(const uint8_t *p, size_t n);

/* The index of the first `end` bytes of fd. */
int fc_frames_index(fc_frames *frames, int fd, int64_t end);
void fc_frames_free(fc_frames *frames);
#endif
