#include "orient_impl.h"

#include <string.h>

/* Where rows become columns, a square of so many pixels is read along one side and written along
   the other. It fits a near cache: each line of memory is fetched once, however wide the image. */
#define TILE 64

/* Row y and column x of the output is the input's pixel at first + y * down + x * right. The size
   of a pixel is written out for the compiler, which copies it in a move or two. */
static inline __attribute__((always_inline)) void
tiles(uint8_t *out, const uint8_t *first, ptrdiff_t down, ptrdiff_t right, size_t height,
      size_t width, size_t tile, const size_t size)
{
    for (size_t top = 0; top < height; top += TILE)
        for (size_t left = 0; left < width; left += tile)
            for (size_t y = top; y < height && y < top + TILE; y++) {
                uint8_t *to = out + (y * width + left) * size;
                const uint8_t *from = first + (ptrdiff_t)y * down + (ptrdiff_t)left * right;
                size_t n = width - left < tile ? width - left : tile;
                for (size_t x = 0; x < n; x++, to += size, from += right)
                    memcpy(to, from, size);
            }
}

void fc_orient(uint8_t *out, const uint8_t *in, size_t height, size_t width, int channels,
               int orientation)
{
    const ptrdiff_t pixel = channels, row = (ptrdiff_t)width * channels;
    const ptrdiff_t last_row = ((ptrdiff_t)height - 1) * row;
    const ptrdiff_t last_column = ((ptrdiff_t)width - 1) * pixel;
    /* Where the output's first pixel is, and the way to the one below and the one to the right. */
    const struct {
        ptrdiff_t first, down, right;
    } way[8] = {
        {0, row, pixel},                         /* 1: upright */
        {last_column, row, -pixel},              /* 2: mirrored */
        {last_row + last_column, -row, -pixel},  /* 3: upside down */
        {last_row, -row, pixel},                 /* 4: 3, mirrored */
        {0, pixel, row},                         /* 5: rows are columns */
        {last_row, pixel, -row},                 /* 6: to be turned to the right */
        {last_row + last_column, -pixel, -row},  /* 7: 5, upside down */
        {last_column, -pixel, row},              /* 8: to be turned to the left */
    }, w = way[orientation - 1];
    const size_t rows = fc_orient_turns(orientation) ? width : height;
    const size_t columns = fc_orient_turns(orientation) ? height : width;
    const size_t tile = fc_orient_turns(orientation) ? TILE : columns;

    if (orientation == 1 || orientation == 4) /* rows stay rows, read forwards */
        for (size_t y = 0; y < rows; y++)
            memcpy(out + (ptrdiff_t)y * row, in + w.first + (ptrdiff_t)y * w.down, (size_t)row);
    else if (channels == 3)
        tiles(out, in + w.first, w.down, w.right, rows, columns, tile, 3);
    else
        tiles(out, in + w.first, w.down, w.right, rows, columns, tile, 1);
}
