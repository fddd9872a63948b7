/* The plan of a job, as workers see it. */
#ifndef FASTCONV_PLAN_H
#define FASTCONV_PLAN_H
#include <stdint.h>

/* Columns in the plan's order: row r is the r-th record of the split. */
typedef struct {
    const int32_t *container;      /* where its bytes are: row of the container table */
    const int64_t *offset;         /* in an archive; 0 in a folder, whose files are whole images */
    const int64_t *size;
    const int32_t *klass;
    const int64_t *name_start;     /* CSR of base names */
    const uint8_t *name;
    const int64_t *box_start;      /* CSR of boxes */
    const float *box;              /* xmin, ymin, xmax, ymax */
    const int32_t *container_file; /* row of the path table: the archive or the folder */
    const uint8_t *container_is_folder;
    const int64_t *path_start;     /* CSR of paths */
    const uint8_t *path;
    const int64_t *label;          /* of each class */
    const int64_t *block_start;    /* CSR of the class's encoded entries; behind those of all
                                      classes, where images are described as they are stored,
                                      stand the ones for grayscale images */
    const uint8_t *block;
    const int64_t *extra_start;    /* CSR of further entries of each row; NULL where there are none */
    const uint8_t *extra;
    const int64_t *path_bytes;     /* of an archive as it was listed: its bytes, and when it was */
    const int64_t *path_changed;   /* changed last, in ns since 1970; -1, or NULL: not known */
} fc_plan;
#endif
