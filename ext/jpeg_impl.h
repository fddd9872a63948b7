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
    FC_JPEG_NO_END       /* no EOI after its last scan began */
};

typedef struct {
    uint32_t height, width;
    uint8_t components, precision_bits, sof; /* sof: the marker, 0xC0 baseline ... */
} fc_jpeg;

int fc_jpeg_scan(const uint8_t *p, size_t n, fc_jpeg *out);
#endif
