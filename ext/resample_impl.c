#include "resample_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grown_impl.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Registers for which `weigh` has sums at once. */
#define MOST_AT_ONCE 3

/* Columns are made for so many bytes of a row at once, so that they stay in a near cache. */
#define SPAN 1024

typedef uint8_t fc_u8x16 __attribute__((vector_size(16)));

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLED(a, b, ...) __builtin_shuffle(a, b, (fc_u8x16){__VA_ARGS__})
#endif
#define FC_INTERLEAVED_LOW(a, b) \
    SHUFFLED(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define FC_INTERLEAVED_HIGH(a, b) \
    SHUFFLED(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

struct fc_lanes {
    size_t width; /* rows in a strip */
    void (*weigh_row)(uint8_t *, const uint8_t *, size_t, const int32_t *, size_t, size_t);
    void (*weigh_columns)(uint8_t *, const uint8_t *, size_t, const fc_axis *, size_t, size_t, int);
    void (*to_columns)(uint8_t *, const uint8_t *, size_t, size_t, size_t, size_t);
    void (*to_rows)(uint8_t *, size_t, size_t, const uint8_t *, size_t);
};

#define NAMED(name) baseline_##name
#define TARGET
#define WIDTH 16
#include "resample_lanes.h"
#undef NAMED
#undef TARGET
#undef WIDTH

#if defined(__x86_64__)
#define NAMED(name) sse41_##name
#define TARGET __attribute__((target("sse4.1")))
#define WIDTH 16
#include "resample_lanes.h"
#undef NAMED
#undef TARGET
#undef WIDTH

#define NAMED(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#define WIDTH 32
#include "resample_lanes.h"
#undef NAMED
#undef TARGET
#undef WIDTH

#define NAMED(name) avx512_##name
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#define WIDTH 64
#include "resample_lanes.h"
#undef NAMED
#undef TARGET
#undef WIDTH
#endif

static const fc_lanes *chosen = &baseline_set;

/* The best last; a machine that has one has all before it. */
static const struct {
    const char *name;
    const fc_lanes *set;
} KERNELS[] = {
    {"baseline", &baseline_set},
#if defined(__x86_64__)
    {"sse4.1", &sse41_set},
    {"avx2", &avx2_set},
    {"avx512", &avx512_set},
#endif
};

static int usable(void)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("sse4.1"))
        return 1;
    if (!__builtin_cpu_supports("avx2"))
        return 2;
    if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
        return 3;
    return 4;
#else
    return 1;
#endif
}

void fc_resample_init(void)
{
    chosen = KERNELS[usable() - 1].set;
}

const char *fc_resample_kernel_at(int n)
{
    return n < usable() ? KERNELS[n].name : NULL;
}

const char *fc_resample_kernel(void)
{
    int n = 0;
    while (KERNELS[n].set != chosen)
        n++;
    return KERNELS[n].name;
}

int fc_resample_force(const char *name)
{
    for (int n = 0; n < usable(); n++)
        if (strcmp(name, KERNELS[n].name) == 0) {
            chosen = KERNELS[n].set;
            return 0;
        }
    return -1;
}

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- an image ------------------------------------------------------------------------------ */

void fc_resampler_new(fc_resampler *r)
{
    memset(r, 0, sizeof *r);
}

void fc_resampler_free(fc_resampler *r)
{
    fc_axis_free(&r->across);
    fc_axis_free(&r->down);
    free(r->rows);
    free(r->columns);
    memset(r, 0, sizeof *r);
}

static int grown(uint8_t **memory, size_t *capacity, size_t need)
{
    void *larger = fc_grown(*memory, capacity, need);
    if (larger)
        *memory = larger;
    return larger != NULL;
}

/* The end of the pixels that are made at once: those that fit SPAN with their input, or one. */
static size_t turn_end(const fc_axis *axis, size_t from, int channels)
{
    size_t to = from + 1;
    while (to < (size_t)axis->out && (to + 1 - from) * channels <= SPAN &&
           (fc_axis_end(axis, to) - axis->start[from]) * channels <= SPAN)
        to++;
    return to;
}

/* A strip of rows, made narrower or wider. Its pixels are turned into columns of one register, so
   that a register is of pixels with the same weights. */
static void strip_across(fc_resampler *r, uint8_t *dst, size_t dst_stride, const uint8_t *src,
                         size_t src_stride, size_t rows, int channels)
{
    const fc_axis *axis = &r->across;
    uint8_t *made = r->columns;
    uint8_t *columns = made + SPAN * r->lanes->width;
    for (size_t from = 0, to; from < (size_t)axis->out; from = to) {
        to = turn_end(axis, from, channels);
        size_t first = axis->start[from], end = fc_axis_end(axis, to - 1);
        r->lanes->to_columns(columns, src, src_stride, rows, first * channels, end * channels);
        r->lanes->weigh_columns(made, columns, first, axis, from, to, channels);
        r->lanes->to_rows(dst + from * channels, dst_stride, rows, made, (to - from) * channels);
    }
}

static void row_down(const fc_resampler *r, uint8_t *dst, const uint8_t *src, size_t stride,
                     size_t y, size_t bytes)
{
    const fc_axis *down = &r->down;
    r->lanes->weigh_row(dst, src, stride, down->k + down->offset[y],
                     down->offset[y + 1] - down->offset[y], bytes);
}

/* Across, then down, strip by strip. Rows stay as long as an output row needs them. */
static int across_first(fc_resampler *r, fc_image in, fc_image out, int channels)
{
    const fc_axis *down = &r->down;
    const size_t stride = (size_t)out.width * channels, in_stride = (size_t)in.width * channels;
    const size_t room = 2 * down->taps_max + r->lanes->width;
    const size_t end = fc_axis_end(down, (size_t)out.height - 1);
    if (!grown(&r->rows, &r->rows_capacity, room * stride))
        return -1;
    uint8_t *dst = out.pixels;
    size_t first = down->start[0], held = 0; /* the first row in memory, and how many there are */
    for (size_t y = 0, at = first; at < end;) {
        if (room - held < r->lanes->width) {
            size_t drop = less(down->start[y] - first, held);
            held -= drop;
            first += drop;
            memmove(r->rows, r->rows + drop * stride, held * stride);
        }
        size_t rows = less(r->lanes->width, end - at);
        strip_across(r, r->rows + held * stride, stride, in.pixels + at * in_stride, in_stride,
                     rows, channels);
        held += rows;
        at += rows;
        for (; y < (size_t)out.height && fc_axis_end(down, y) <= at; y++, dst += stride)
            row_down(r, dst, r->rows + (down->start[y] - first) * stride, stride, y, stride);
    }
    return 0;
}

/* Down, then across, a strip of the output at a time; of the columns, those that it needs. */
static int down_first(fc_resampler *r, fc_image in, fc_image out, int channels)
{
    const size_t stride = (size_t)out.width * channels, in_stride = (size_t)in.width * channels;
    const size_t left = r->across.start[0] * channels;
    const size_t right = fc_axis_end(&r->across, (size_t)out.width - 1) * channels;
    if (!grown(&r->rows, &r->rows_capacity, r->lanes->width * in_stride))
        return -1;
    for (size_t y = 0; y < (size_t)out.height; y += r->lanes->width) {
        size_t rows = less(r->lanes->width, (size_t)out.height - y);
        for (size_t i = 0; i < rows; i++)
            row_down(r, r->rows + i * in_stride + left,
                     in.pixels + r->down.start[y + i] * in_stride + left, in_stride, y + i,
                     right - left);
        strip_across(r, out.pixels + y * stride, stride, r->rows, in_stride, rows, channels);
    }
    return 0;
}

int fc_resample(fc_resampler *r, fc_image in, fc_image out, int channels, int filter,
                const float box[4])
{
    /* A side that keeps its size and begins at a whole pixel keeps its pixels, too. */
    int across = box[0] != floorf(box[0]) || (double)box[2] - box[0] != out.width;
    int down = box[1] != floorf(box[1]) || (double)box[3] - box[1] != out.height;
    const size_t stride = (size_t)out.width * channels, in_stride = (size_t)in.width * channels;
    const size_t left = (size_t)box[0] * channels, top = (size_t)box[1];

    r->lanes = chosen;
    if (down && fc_axis_make(&r->down, in.height, out.height, filter, box[1], box[3]))
        return -1;
    if (across) {
        if (fc_axis_make(&r->across, in.width, out.width, filter, box[0], box[2]))
            return -1;
        size_t span = r->across.taps_max * channels;
        if (!grown(&r->columns, &r->columns_capacity,
                   (SPAN + (span > SPAN ? span : SPAN)) * r->lanes->width))
            return -1;
        if (down) {
            /* Pillow's rule since its version 13. It counts pixels of the image, not of the box. */
            int64_t lower = (int64_t)in.height - out.height;
            int64_t narrower = (int64_t)in.width - out.width;
            return lower > 0 && lower > 2 * narrower ? down_first(r, in, out, channels)
                                                     : across_first(r, in, out, channels);
        }
    }
    for (size_t y = 0; y < (size_t)out.height; y += across ? r->lanes->width : 1) {
        uint8_t *to = out.pixels + y * stride;
        if (across)
            strip_across(r, to, stride, in.pixels + (top + y) * in_stride, in_stride,
                         less(r->lanes->width, (size_t)out.height - y), channels);
        else if (down)
            row_down(r, to, in.pixels + r->down.start[y] * in_stride + left, in_stride, y,
                     stride);
        else
            memcpy(to, in.pixels + (top + y) * in_stride + left, stride);
    }
    return 0;
}
