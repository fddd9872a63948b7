/* Tables of weights, resizing and turning: any sides, boxes and kinds, each kernel beside the
   others.

   By contract the caller has checked what ext/_resample.pyx checks: sides of 1 to FC_SIDE_MAX, a box
   inside of the image, 1 or 3 channels, images apart from each other. Sides are small here for
   speed; tables are also made for large ones. */
#include "fuzz.h"

#include <math.h>

#include "../ext/orient_impl.h"
#include "../ext/resample_impl.h"

enum { PIXELS_MAX = 40000 };

/* Mostly less than a register, now and then more than the columns that are made at once. */
static int32_t side(fuzz_input *in)
{
    int byte = (int)fuzz_take(in, 1);
    return byte < 208 ? 1 + byte % 52 : 1 + 13 * (byte - 208);
}

/* Pixels in memory of just their size: the input's bytes, then noise. */
static uint8_t *pixels(fuzz_input *in, size_t bytes)
{
    uint8_t *made = malloc(bytes);
    uint32_t noise = (uint32_t)in->bytes * 2654435761u + 1;
    size_t given = in->bytes < bytes ? in->bytes : bytes;
    memcpy(made, in->p, given);
    for (size_t i = given; i < bytes; i++) {
        noise = noise * 1664525u + 1013904223u;
        made[i] = noise >> 31 ? 255 : (uint8_t)(noise >> 20);
    }
    return made;
}

/* An edge of a box: a whole pixel, a fraction, or any bits. */
static float edge(fuzz_input *in, int32_t end)
{
    uint32_t bits;
    float value;
    switch (fuzz_take(in, 1) & 3) {
    case 0:
        return (float)fuzz_up_to(in, (uint64_t)end);
    case 1:
        return (float)end * (float)fuzz_take(in, 2) / 65535;
    case 2:
        return (float)end;
    default:
        bits = (uint32_t)fuzz_take(in, 4);
        memcpy(&value, &bits, 4);
        return value;
    }
}

static int in_order(float low, float high, int32_t end)
{
    return 0 <= low && low < high && high <= (float)end;
}

static void check_axis(const fc_axis *axis)
{
    size_t most = 0;
    for (size_t i = 0; i < (size_t)axis->out; i++) {
        size_t taps = axis->offset[i + 1] - axis->offset[i];
        CHECK(axis->offset[i] <= axis->offset[i + 1]);
        CHECK(fc_axis_end(axis, i) <= (size_t)axis->in);
        CHECK(i == 0 || axis->start[i] >= axis->start[i - 1]);
        CHECK(i == 0 || fc_axis_end(axis, i) >= fc_axis_end(axis, i - 1));
        most = taps > most ? taps : most;
        int64_t sum = 0, high = 0, low = 0;
        for (size_t t = axis->offset[i]; t < axis->offset[i + 1]; t++) {
            sum += axis->k[t];
            *(axis->k[t] > 0 ? &high : &low) += axis->k[t];
        }
        CHECK(taps == 0 || llabs(sum - (1 << FC_FRACTION_BITS)) <= (int64_t)taps);
        /* No sum of bytes times weights, in whatever order, leaves 32 bits. */
        CHECK(high * 255 + FC_HALF <= INT32_MAX && low * 255 + FC_HALF >= INT32_MIN);
    }
    CHECK(most == axis->taps_max);
}

static void table(fuzz_input *in)
{
    fc_axis axis = {0};
    int filter = (int)fuzz_up_to(in, FC_FILTERS - 1);
    int32_t from = 1 + (int32_t)fuzz_up_to(in, FC_SIDE_MAX - 1);
    int32_t to = 1 + (int32_t)fuzz_up_to(in, 4096);
    float low = edge(in, from);
    float high = edge(in, from);
    if (!in_order(low, high, from) || high - low > 10000)
        return;
    CHECK(fc_axis_make(&axis, from, to, filter, low, high) == 0);
    check_axis(&axis);
    fc_axis_free(&axis);
}

static void resized(fuzz_input *in)
{
    static fc_resampler kept; /* with tables of earlier calls */
    int channels = fuzz_take(in, 1) & 1 ? 3 : 1, filter = (int)fuzz_up_to(in, FC_FILTERS - 1);
    int32_t sides[4];
    for (int i = 0; i < 4; i++)
        sides[i] = side(in);
    fc_image from = {NULL, sides[0], sides[1]}, to = {NULL, sides[2], sides[3]};
    if (from.height * from.width > PIXELS_MAX || to.height * to.width > PIXELS_MAX)
        return;
    float box[4] = {0, 0, (float)from.width, (float)from.height};
    if (fuzz_take(in, 1) & 1)
        for (int i = 0; i < 4; i++)
            box[i] = edge(in, i % 2 ? from.height : from.width);
    if (!in_order(box[0], box[2], from.width) || !in_order(box[1], box[3], from.height))
        return;
    from.pixels = pixels(in, (size_t)from.height * from.width * channels);
    size_t bytes = (size_t)to.height * to.width * channels;
    uint8_t *first = NULL;
    for (int n = 0; fc_resample_kernel_at(n); n++) {
        CHECK(fc_resample_force(fc_resample_kernel_at(n)) == 0);
        for (int turn = 0; turn < 2; turn++) {
            fc_resampler fresh;
            fc_resampler_new(&fresh);
            to.pixels = malloc(bytes);
            memset(to.pixels, turn ? 0x55 : 0xAA, bytes); /* every byte is to be written */
            CHECK(fc_resample(turn ? &kept : &fresh, from, to, channels, filter, box) == 0);
            if (first)
                CHECK(memcmp(first, to.pixels, bytes) == 0);
            else
                first = memcpy(malloc(bytes), to.pixels, bytes);
            fc_resampler_free(&fresh);
            free(to.pixels);
        }
    }
    free(first);
    free(from.pixels);
}

static void turned(fuzz_input *in)
{
    int channels = fuzz_take(in, 1) & 1 ? 3 : 1, orientation = 1 + (int)fuzz_up_to(in, 7);
    size_t height = (size_t)side(in), width = (size_t)side(in);
    if (height * width > PIXELS_MAX)
        return;
    size_t bytes = height * width * channels;
    uint8_t *from = pixels(in, bytes), *to = malloc(bytes);
    fc_orient(to, from, height, width, channels, orientation);
    size_t rows = fc_orient_turns(orientation) ? width : height;
    size_t columns = fc_orient_turns(orientation) ? height : width;
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < columns; x++) {
            size_t a = fc_orient_turns(orientation) ? x : y, b = fc_orient_turns(orientation) ? y : x;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                a = height - 1 - a;
            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                b = width - 1 - b;
            CHECK(memcmp(to + (y * columns + x) * channels, from + (a * width + b) * channels,
                         channels) == 0);
        }
    free(from);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input in = {data, bytes};
    fc_resample_init();
    switch (fuzz_take(&in, 1) & 3) {
    case 0:
        table(&in);
        break;
    case 1:
        turned(&in);
        break;
    default:
        resized(&in);
    }
    return 0;
}
