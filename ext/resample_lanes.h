/* The resampler's loops for one instruction set; resample_impl.c includes this once for each.

   Expected: NAMED(name), a name of the set's own; TARGET, the attribute that allows its
   instructions; WIDTH, the bytes of a register. Vectors are the compiler's own (GCC, Clang), and
   all is integers, so that every set gives the same bytes. */

typedef int32_t NAMED(lanes) __attribute__((vector_size(WIDTH)));
typedef uint32_t NAMED(bits) __attribute__((vector_size(WIDTH)));

/* Sums to bytes: without their fraction, between 0 and 255. */
#define CLIPPED(sum)                                                                     \
    ({                                                                                   \
        NAMED(lanes) whole = (sum) >> FC_FRACTION_BITS;                                  \
        whole &= ~(whole >> 31);                                                         \
        (NAMED(bits))(whole | ((255 - whole) >> 31)) & 255;                              \
    })

/* `count` registers of dst: in each byte the sum of `taps` bytes, `stride` apart, times k.

   A register of bytes is taken for 32-bit lanes, of which each gives its four bytes to four sums.
   That is a shift and a mask, where unpacking would be shuffles that differ between sets. */
TARGET static ALWAYS_INLINE void NAMED(weigh)(uint8_t *dst, const uint8_t *src, size_t stride,
                                              const int32_t *k, size_t taps, const int count)
{
    NAMED(lanes) sum[4 * MOST_AT_ONCE];
    for (int i = 0; i < 4 * count; i++)
        sum[i] = (NAMED(lanes)){0} + FC_HALF;
    for (size_t t = 0; t < taps; t++, src += stride)
        for (int i = 0; i < count; i++) {
            NAMED(bits) four;
            memcpy(&four, src + i * WIDTH, WIDTH);
            sum[4 * i] += (NAMED(lanes))(four & 255) * k[t];
            sum[4 * i + 1] += (NAMED(lanes))(four >> 8 & 255) * k[t];
            sum[4 * i + 2] += (NAMED(lanes))(four >> 16 & 255) * k[t];
            sum[4 * i + 3] += (NAMED(lanes))(four >> 24) * k[t];
        }
    for (int i = 0; i < count; i++) {
        NAMED(bits) four = CLIPPED(sum[4 * i]) | CLIPPED(sum[4 * i + 1]) << 8 |
                           CLIPPED(sum[4 * i + 2]) << 16 | CLIPPED(sum[4 * i + 3]) << 24;
        memcpy(dst + i * WIDTH, &four, WIDTH);
    }
}
#undef CLIPPED

/* The same for any number of bytes, and not one beyond them. */
TARGET static void NAMED(weigh_row)(uint8_t *dst, const uint8_t *src, size_t stride,
                                    const int32_t *k, size_t taps, size_t bytes)
{
    size_t at = 0;
    for (; bytes - at >= 2 * WIDTH; at += 2 * WIDTH)
        NAMED(weigh)(dst + at, src + at, stride, k, taps, 2);
    for (; bytes - at >= WIDTH; at += WIDTH)
        NAMED(weigh)(dst + at, src + at, stride, k, taps, 1);
    if (at < bytes && bytes >= WIDTH) { /* a register that ends with the row */
        NAMED(weigh)(dst + bytes - WIDTH, src + bytes - WIDTH, stride, k, taps, 1);
        return;
    }
    for (; at < bytes; at++) {
        int32_t sum = FC_HALF;
        for (size_t t = 0; t < taps; t++)
            sum += src[t * stride + at] * k[t];
        sum >>= FC_FRACTION_BITS;
        dst[at] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}

/* Columns x0 to x1 of a strip: out has `channels` registers a column, from such of `in`, whose
   first column is the image's `first`. */
TARGET static void NAMED(weigh_columns)(uint8_t *out, const uint8_t *in, size_t first,
                                        const fc_axis *axis, size_t x0, size_t x1, int channels)
{
    for (size_t x = x0; x < x1; x++, out += channels * WIDTH) {
        const uint8_t *src = in + (axis->start[x] - first) * channels * WIDTH;
        const int32_t *k = axis->k + axis->offset[x];
        size_t taps = axis->offset[x + 1] - axis->offset[x];
        if (channels == 3)
            NAMED(weigh)(out, src, 3 * WIDTH, k, taps, 3);
        else
            NAMED(weigh)(out, src, WIDTH, k, taps, 1);
    }
}

/* 16 x 16 bytes: four times the first half of the rows is interleaved with the second. */
TARGET static ALWAYS_INLINE void NAMED(transpose)(uint8_t *dst, size_t dst_stride,
                                                  const uint8_t *const *rows, size_t at)
{
    fc_u8x16 a[16], b[16];
    for (int i = 0; i < 16; i++)
        memcpy(&a[i], rows[i] + at, 16);
    for (int turn = 0; turn < 4; turn++) {
        for (int i = 0; i < 8; i++) {
            b[2 * i] = FC_INTERLEAVED_LOW(a[i], a[i + 8]);
            b[2 * i + 1] = FC_INTERLEAVED_HIGH(a[i], a[i + 8]);
        }
        memcpy(a, b, sizeof a);
    }
    for (int i = 0; i < 16; i++)
        memcpy(dst + i * dst_stride, &a[i], 16);
}

/* A strip's bytes `begin` to `end` of each row, as columns of WIDTH rows. Rows that the image
   does not have are its last again. */
TARGET static void NAMED(to_columns)(uint8_t *columns, const uint8_t *src, size_t stride,
                                     size_t rows, size_t begin, size_t end)
{
    for (size_t part = 0; part < WIDTH && part < rows; part += 16) {
        const uint8_t *row[16];
        for (size_t i = 0; i < 16; i++)
            row[i] = src + (part + i < rows ? part + i : rows - 1) * stride;
        size_t at = begin;
        for (; end - at >= 16; at += 16)
            NAMED(transpose)(columns + (at - begin) * WIDTH + part, WIDTH, row, at);
        for (; at < end; at++)
            for (size_t i = 0; i < 16; i++)
                columns[(at - begin) * WIDTH + part + i] = row[i][at];
    }
}

/* And back: `bytes` of each of so many rows. */
TARGET static void NAMED(to_rows)(uint8_t *dst, size_t stride, size_t rows, const uint8_t *columns,
                                  size_t bytes)
{
    for (size_t part = 0; part < rows; part += 16) {
        uint8_t *to = dst + part * stride;
        size_t at = 0;
        if (rows - part >= 16)
            for (; bytes - at >= 16; at += 16) {
                const uint8_t *column[16];
                for (int i = 0; i < 16; i++)
                    column[i] = columns + (at + i) * WIDTH;
                NAMED(transpose)(to + at, stride, column, part);
            }
        for (size_t i = 0; i < 16 && part + i < rows; i++)
            for (size_t rest = at; rest < bytes; rest++)
                to[i * stride + rest] = columns[rest * WIDTH + part + i];
    }
}

static const fc_lanes NAMED(set) = {
    WIDTH, NAMED(weigh_row), NAMED(weigh_columns), NAMED(to_columns), NAMED(to_rows),
};
