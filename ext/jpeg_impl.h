/* What a JPEG's markers say, without decoding it (ITU-T T.81, annex B). */
#ifndef FASTCONV_JPEG_H
#define FASTCONV_JPEG_H
#include <stddef.h>
#include <stdint.h>

enum {
    FC_JPEG_OK = 0,
    FC_JPEG_EMPTY,       /* no bytes at all */
    FC_JPEG_FOREIGN,     /* does not begin as a JPEG does */
    FC_JPEG_NO_FRAME,    /* ends before its frame header (SOF) is whole */
    FC_JPEG_BAD_FRAME,   /* SOF without pixels, or of 2 or more than 4 components */
    FC_JPEG_NO_SCAN,     /* ends before its first scan */
    FC_JPEG_NO_END,      /* no EOI after its last scan began */
    FC_JPEG_DEPTH,       /* not of 8 bits a sample */
    FC_JPEG_KIND,        /* lossless, hierarchical, or differential */
    FC_JPEG_PIXELS,      /* more pixels than are allowed */
    FC_JPEG_BYTES        /* more bytes than are read of any image */
};

typedef struct {
    uint32_t height, width;
    uint8_t components, precision_bits, sof; /* sof: the marker, 0xC0 baseline ... */
    uint8_t sampling;    /* 0x21: the first component's factors, 2 across and 1 down, where those
                            of the others are 1 and 1; 0 where they are not */
    uint8_t orientation; /* Exif's, 1 to 8; 1 where it gives none */
} fc_jpeg;

/* Is it whole? FC_JPEG_OK to FC_JPEG_NO_END. */
int fc_jpeg_scan(const uint8_t *p, size_t n, fc_jpeg *out);

/* Of one that is: do libjpeg-turbo (its 8-bit interface) and TensorFlow read its kind? FC_JPEG_OK,
   FC_JPEG_DEPTH or FC_JPEG_KIND. */
int fc_jpeg_readable(const fc_jpeg *jpeg);
#endif
