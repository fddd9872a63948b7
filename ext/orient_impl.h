/* Turning and mirroring 8-bit images, as an EXIF orientation asks for. */
#ifndef FASTCONV_ORIENT_H
#define FASTCONV_ORIENT_H
#include <stddef.h>
#include <stdint.h>

/* Orientations of which the output's height is the input's width. */
static inline int fc_orient_turns(int orientation)
{
    return orientation >= 5;
}

/* Writes the upright image of one that is stored in an orientation of 1 to 8 (EXIF 2.32, 4.6.4 A):
   height rows of width pixels of `channels` (1 or 3) bytes. */
void fc_orient(uint8_t *out, const uint8_t *in, size_t height, size_t width, int channels,
               int orientation);
#endif
