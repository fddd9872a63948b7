/* Resizing 8-bit images as Pillow does: antialiased, first along the rows, then along the columns,
   with weights of 22 fractional bits and 8-bit pixels between the two. */
#ifndef FASTCONV_RESAMPLE_H
#define FASTCONV_RESAMPLE_H
#include <stddef.h>
#include <stdint.h>

#include "weights_impl.h"

/* Sides beyond this have box edges that a float does not tell apart. */
#define FC_SIDE_MAX (1 << 24)

/* The loops of one instruction set. */
typedef struct fc_lanes fc_lanes;

/* The tables of the last call, and memory for the next. */
typedef struct {
    const fc_lanes *lanes; /* of the call that runs; a kernel may be forced meanwhile */
    fc_axis across, down;
    uint8_t *rows, *columns;
    size_t rows_capacity, columns_capacity;
} fc_resampler;

typedef struct {
    uint8_t *pixels;
    int32_t height, width;
} fc_image;

/* Picks the kernel; call once before the others. */
void fc_resample_init(void);

void fc_resampler_new(fc_resampler *r);
void fc_resampler_free(fc_resampler *r);

/* Makes `out` of what of `in` is inside the box: left, top, right, bottom. Both images are rows of
   `channels` (1 or 3) bytes a pixel, without gaps. The caller has checked sides and box. Returns 0,
   or -1 if there is no memory. */
int fc_resample(fc_resampler *r, fc_image in, fc_image out, int channels, int filter,
                const float box[4]);

/* Name of the kernel in use, or of the nth that this machine has (NULL behind the last);
   fc_resample_force returns 0, or -1 where this machine lacks it. */
const char *fc_resample_kernel(void);
const char *fc_resample_kernel_at(int n);
int fc_resample_force(const char *name);
#endif
