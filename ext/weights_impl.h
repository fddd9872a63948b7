/* Of which pixels, and how much of each, one line of a resized image is made. */
#ifndef FASTCONV_WEIGHTS_H
#define FASTCONV_WEIGHTS_H
#include <stddef.h>
#include <stdint.h>

enum { FC_BOX, FC_BILINEAR, FC_BICUBIC, FC_LANCZOS, FC_FILTERS };

/* A weight of 1 is 1 << 22: the sum of weights times 255, and some more where there are weights
   below 0, fits into 31 bits. */
#define FC_FRACTION_BITS 22
#define FC_HALF (1 << (FC_FRACTION_BITS - 1))

/* What each pixel of one side of the output is made of: of the input's from start[i] on, as many as
   there are weights in k from offset[i] to offset[i + 1]. */
typedef struct {
    int32_t in, out, filter;
    float low, high;
    size_t *start, *offset;
    int32_t *k;
    size_t taps_max;
} fc_axis;

/* The table for `out` pixels from what is between `low` and `high` of `in`; nothing is done if it
   is there already. Returns 0, or -1 if there is no memory. */
int fc_axis_make(fc_axis *axis, int32_t in, int32_t out, int filter, float low, float high);
void fc_axis_free(fc_axis *axis);

/* Where the input of pixel i ends. */
static inline size_t fc_axis_end(const fc_axis *axis, size_t i)
{
    return axis->start[i] + axis->offset[i + 1] - axis->offset[i];
}
#endif
