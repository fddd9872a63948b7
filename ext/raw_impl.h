/* The loop over images that become files again: read, write, and the time that they had. */
#ifndef FASTCONV_RAW_H
#define FASTCONV_RAW_H
#include "board_impl.h"
#include "source_impl.h"

enum { FC_RAW_NAME_MAX = 255, FC_RAW_CHUNK = 1 << 20, FC_TAR_HEADER = 512 };

enum {
    FC_RAW_DONE = 0,
    FC_RAW_OPEN,     /* source.error: errno; the source could not be opened */
    FC_RAW_READ,     /* source.error: errno; the source could not be read */
    FC_RAW_CHANGED,  /* the source has not the bytes that the plan says */
    FC_RAW_WRITE,    /* error: errno; the file could not be written */
    FC_RAW_NAME      /* a name that no file can have */
};

typedef struct {
    fc_source source;
    int folder;      /* the open folder that the files go into; none of these names is there */
    int error;
    int64_t *board;  /* shared: FC_BOARD_* */
    uint8_t *buffer; /* FC_TAR_HEADER + FC_RAW_CHUNK bytes */
} fc_raw;

/* 0, or -1 where there is no memory. */
int fc_raw_init(fc_raw *raw, int64_t *board);
void fc_raw_free(fc_raw *raw);

/* Writes a file for each of rows [*row, stop); on return *row is the one that it stopped at, and the
   result says why. That row's file may be there in part. */
int fc_raw_run(fc_raw *raw, int64_t *row, int64_t stop);

/* When the member was changed last, in seconds since 1970, by its header of 512 bytes; 0 where that
   is no number. */
int64_t fc_raw_modified(const uint8_t *header);
#endif
