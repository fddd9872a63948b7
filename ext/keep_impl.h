/* The loop over a shard's images whose bytes are kept: read, scan, encode, frame, write. */
#ifndef FASTCONV_KEEP_H
#define FASTCONV_KEEP_H
#include "jpeg_impl.h"
#include "output_impl.h"

/* Features that differ from image to image; the others are the class's, encoded beforehand. */
enum { FC_KEY_IMAGE, FC_KEY_FILENAME, FC_KEY_HEIGHT, FC_KEY_WIDTH, FC_KEY_XMIN, FC_KEY_YMIN,
       FC_KEY_XMAX, FC_KEY_YMAX, FC_KEY_BOX_LABEL, FC_KEYS };

typedef struct {
    const char *key[FC_KEYS];
    size_t key_bytes[FC_KEYS]; /* 0: the schema leaves this feature out */
} fc_schema;

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
    const int64_t *block_start;    /* CSR of the class's encoded entries */
    const uint8_t *block;
} fc_plan;

enum { FC_FILES = 64 };

typedef struct {
    int fd;
    int32_t file; /* -1: free */
} fc_open_file;

enum {
    FC_KEEP_DONE = 0,
    FC_KEEP_FOREIGN,   /* no JPEG of 1 or 3 components: look at its bytes and append or skip */
    FC_KEEP_BAD,       /* jpeg_status says why */
    FC_KEEP_OPEN,      /* error: errno; the source could not be opened */
    FC_KEEP_READ,      /* error: errno; the source could not be read */
    FC_KEEP_CHANGED,   /* the source has not the bytes that the plan says; found_bytes are there */
    FC_KEEP_WRITE      /* output's error */
};

typedef struct {
    fc_plan plan;
    fc_schema schema;
    fc_output *out;
    int64_t *board;        /* shared: FC_BOARD_* */
    fc_open_file files[FC_FILES];
    int error;
    int jpeg_status;
    int64_t found_bytes;
    int64_t advised;       /* rows before this one were announced to the system */
    int slow;              /* reads in a row, nearly, that had to wait for the disk */
    int64_t cold_until;    /* up to this row, reads are announced ahead */
    fc_jpeg jpeg;
    const uint8_t *image;  /* of the row that the loop stopped at */
    size_t image_bytes;
} fc_keep;

enum { FC_BOARD_SHARD, FC_BOARD_ROW, FC_BOARD_RECORDS, FC_BOARD_BYTES, FC_BOARD_STATE,
       FC_BOARD_SLOTS = 8 };

void fc_keep_init(fc_keep *keep, fc_output *out, int64_t *board);
void fc_keep_close(fc_keep *keep);

/* Writes rows [*row, stop); on return *row is the row it stopped at, and the result says why. */
int fc_keep_run(fc_keep *keep, int64_t *row, int64_t stop);

/* Writes row with other bytes than the source's own. Returns FC_KEEP_DONE or FC_KEEP_WRITE. */
int fc_keep_append(fc_keep *keep, int64_t row, const uint8_t *image, size_t image_bytes,
                   uint32_t height, uint32_t width);
#endif
