/* Reading the images of a plan from their archives and folders. */
#ifndef FASTCONV_SOURCE_H
#define FASTCONV_SOURCE_H
#include <stddef.h>
#include <time.h>

#include "plan_impl.h"

enum { FC_FILES = 64 };

typedef struct {
    int fd;
    int32_t file; /* -1: free */
} fc_open_file;

enum {
    FC_SOURCE_OK = 0,
    FC_SOURCE_OPEN,    /* error: errno; it could not be opened */
    FC_SOURCE_READ,    /* error: errno; it could not be read */
    FC_SOURCE_CHANGED  /* it has not the bytes that the plan says; found_bytes are there */
};

typedef struct {
    fc_plan plan;
    fc_open_file files[FC_FILES];
    int error;
    int64_t found_bytes;
    int64_t advised;       /* rows before this one were announced to the system */
    int slow;              /* reads in a row, nearly, that had to wait for the disk */
    int64_t cold_until;    /* up to this row, reads are announced ahead */
} fc_source;

/* The plan's columns are set by the caller. */
void fc_source_init(fc_source *source);
void fc_source_close(fc_source *source);

/* Where an image's bytes are: in an open archive, from `at` on, or in a file of its own. */
typedef struct {
    int64_t row, at;
    int fd;
    int is_file;
    struct timespec modified; /* of a file */
} fc_place;

/* An image in three steps, for what is not read at once: find it, take n bytes of it from `at` on,
   leave it. `stop` is the row behind the last that will be asked for; what was not found is not left. In an
   archive, bytes before the image's own may be taken, too. */
int fc_source_find(fc_source *source, int64_t row, int64_t stop, fc_place *place);
int fc_source_take(fc_source *source, const fc_place *place, int64_t at, uint8_t *to, size_t n);
void fc_source_leave(const fc_place *place);

/* All of them in one: the n bytes of a row's image. */
int fc_source_read(fc_source *source, int64_t row, int64_t stop, uint8_t *to, size_t n);
#endif
