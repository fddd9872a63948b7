/* The loop over a shard's images whose bytes are kept: read, scan, encode, frame, write. */
#ifndef FASTCONV_KEEP_H
#define FASTCONV_KEEP_H
#include "board_impl.h"
#include "jpeg_impl.h"
#include "output_impl.h"
#include "source_impl.h"

/* Features that differ from image to image; the others are the class's, encoded beforehand. */
enum { FC_KEY_IMAGE, FC_KEY_FILENAME, FC_KEY_HEIGHT, FC_KEY_WIDTH, FC_KEY_XMIN, FC_KEY_YMIN,
       FC_KEY_XMAX, FC_KEY_YMAX, FC_KEY_BOX_LABEL, FC_KEYS };

typedef struct {
    const char *key[FC_KEYS];
    size_t key_bytes[FC_KEYS]; /* 0: the schema leaves this feature out */
} fc_schema;

/* What is stored of an image: its own sides and boxes, or those of what was made of it. */
typedef struct {
    uint32_t height, width;
    int gray;         /* one component */
    const float *box; /* xmin, ymin, xmax, ymax */
    int64_t boxes;
} fc_stored;

/* Which whole JPEGs are handed to the caller, to be changed. A limit of 0 is none. */
typedef struct {
    int64_t pixels_max;           /* of more, an image is bad */
    int64_t short_max, long_max;  /* sides */
    int64_t exact_side;           /* both sides, where they are not this */
    int64_t bytes_max;
    int64_t file_bytes_max;       /* of more, an image is bad, and none of it is read */
    uint8_t every, turned, gray;  /* every image; those that Exif turns; those of one component */
} fc_limits;

enum {
    FC_KEEP_DONE = 0,
    FC_KEEP_FOREIGN,   /* no JPEG of 1 or 3 components: look at its bytes and append or skip */
    FC_KEEP_BAD,       /* jpeg_status says why */
    FC_KEEP_OPEN,      /* source.error: errno; the source could not be opened */
    FC_KEEP_READ,      /* source.error: errno; the source could not be read */
    FC_KEEP_CHANGED,   /* the source has not the bytes that the plan says */
    FC_KEEP_WRITE,     /* output's error */
    FC_KEEP_LIMIT      /* a whole JPEG that the limits hand over: append what is made of it */
};

typedef struct {
    fc_source source;
    fc_schema schema;
    fc_limits limits;
    int64_t gray_block;    /* rows of the plan's blocks before those of grayscale images, or 0:
                              these are described as the others are */
    fc_output *out;
    int64_t *board;        /* shared: FC_BOARD_* */
    int jpeg_status;
    fc_jpeg jpeg;
    const uint8_t *image;  /* of the row that the loop stopped at */
    size_t image_bytes;
} fc_keep;

void fc_keep_init(fc_keep *keep, fc_output *out, int64_t *board);
void fc_keep_close(fc_keep *keep);

/* Writes rows [*row, stop); on return *row is the row it stopped at, and the result says why. */
int fc_keep_run(fc_keep *keep, int64_t *row, int64_t stop);

/* The row's own boxes. */
void fc_keep_boxes(const fc_keep *keep, int64_t row, fc_stored *stored);

/* Writes row with other bytes than the source's own, or with these in spite of the limits. Returns
   FC_KEEP_DONE or FC_KEEP_WRITE. */
int fc_keep_append(fc_keep *keep, int64_t row, const uint8_t *image, size_t image_bytes,
                   const fc_stored *stored);
#endif
