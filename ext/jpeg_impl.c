#include "jpeg_impl.h"

#include <string.h>

enum { SOF0 = 0xC0, DHT = 0xC4, JPG = 0xC8, DAC = 0xCC, SOF15 = 0xCF,
       RST0 = 0xD0, RST7 = 0xD7, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, DNL = 0xDC,
       APP0 = 0xE0, APP1 = 0xE1, COM = 0xFE, TEM = 0x01 };

static int is_sof(uint8_t m)
{
    return m >= SOF0 && m <= SOF15 && m != DHT && m != JPG && m != DAC;
}

/* Markers that stand alone; all others are followed by their length. */
static int is_bare(uint8_t m)
{
    return m == TEM || (m >= RST0 && m <= SOI);
}

/* Segments that may stand between two scans. Anything else there is damage to look past. */
static int is_between_scans(uint8_t m)
{
    return m == DHT || m == DAC || (m >= SOS && m <= 0xDF) || (m >= APP0 && m <= 0xEF) || m == COM;
}

/* Offset behind the next marker's code, which goes to *marker; n where there is none.
   Fill bytes (FF FF) and garbage before it are passed over, as libjpeg does. */
static size_t next_marker(const uint8_t *p, size_t n, size_t at, uint8_t *marker)
{
    while (at < n) {
        const uint8_t *ff = memchr(p + at, 0xFF, n - at);
        if (!ff)
            return n;
        at = (size_t)(ff - p) + 1;
        while (at < n && p[at] == 0xFF)
            at++;
        if (at < n && p[at] != 0) {
            *marker = p[at];
            return at + 1;
        }
    }
    return n;
}

/* Segments that a decoder passes over without a look into them: APPn, COM, and DNL. */
static int is_passed(uint8_t m)
{
    return (m >= APP0 && m <= 0xEF) || m == COM || m == DNL;
}

/* Length of a marker's segment at `at`, its two length bytes included; 0 where it is cut off or
   absurd. Of a segment that it passes over, libjpeg takes a length below 2 for 2. */
static size_t segment(const uint8_t *p, size_t n, size_t at, uint8_t marker)
{
    if (n - at < 2)
        return 0;
    size_t length = (size_t)p[at] << 8 | p[at + 1];
    if (length < 2 && is_passed(marker))
        length = 2;
    return length >= 2 && length <= n - at ? length : 0;
}

/* From behind the first SOS's header: is there an EOI that is no part of a segment? */
static int ends(const uint8_t *p, size_t n, size_t at)
{
    uint8_t marker = 0;
    while ((at = next_marker(p, n, at, &marker)) < n || marker) {
        if (marker == EOI)
            return 1;
        if (is_between_scans(marker))
            at += at < n ? segment(p, n, at, marker) : 0;
        marker = 0;
    }
    return 0;
}

static uint32_t number(const uint8_t *p, int bytes, int big)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[big ? i : bytes - 1 - i];
    return v;
}

/* The orientation that an Exif segment's first directory gives (Exif 2.3, tag 0x0112); 1 for none.
   p is behind the segment's length. */
static uint8_t exif_orientation(const uint8_t *p, size_t n)
{
    if (n < 6 + 8 + 2 || memcmp(p, "Exif\0\0", 6) != 0)
        return 1;
    const uint8_t *tiff = p + 6;
    n -= 6;
    int big = tiff[0] == 'M';
    if (memcmp(tiff, big ? "MM\0*" : "II*\0", 4) != 0)
        return 1;
    size_t at = number(tiff + 4, 4, big);
    if (at > n - 2)
        return 1;
    uint32_t count = number(tiff + at, 2, big);
    for (at += 2; count && at + 12 <= n; count--, at += 12)
        if (number(tiff + at, 2, big) == 0x0112) {
            uint32_t type = number(tiff + at + 2, 2, big);
            uint32_t value = type == 3   ? number(tiff + at + 8, 2, big)
                             : type == 4 ? number(tiff + at + 8, 4, big)
                                         : 1;
            return value >= 1 && value <= 8 ? (uint8_t)value : 1;
        }
    return 1;
}

/* The frame header's sampling factors, as fc_jpeg holds them. */
static uint8_t frame_sampling(const uint8_t *body)
{
    for (int i = 1; i < body[5]; i++)
        if (body[7 + 3 * i] != 0x11)
            return 0;
    return body[7];
}

int fc_jpeg_readable(const fc_jpeg *jpeg)
{
    if (jpeg->precision_bits != 8)
        return FC_JPEG_DEPTH;
    switch (jpeg->sof) { /* baseline, extended, progressive, and the latter two arithmetic */
    case 0xC0: case 0xC1: case 0xC2: case 0xC9: case 0xCA:
        return FC_JPEG_OK;
    default:
        return FC_JPEG_KIND;
    }
}

int fc_jpeg_scan(const uint8_t *p, size_t n, fc_jpeg *out)
{
    int exif = 0;
    memset(out, 0, sizeof *out);
    out->orientation = 1;
    if (n == 0)
        return FC_JPEG_EMPTY;
    if (n < 2 || p[0] != 0xFF || p[1] != SOI)
        return FC_JPEG_FOREIGN;
    size_t at = 2;
    for (;;) {
        uint8_t marker = 0;
        at = next_marker(p, n, at, &marker);
        if (marker == 0 || at >= n || marker == EOI)
            return out->sof ? FC_JPEG_NO_SCAN : FC_JPEG_NO_FRAME;
        if (is_bare(marker))
            continue;
        size_t length = segment(p, n, at, marker);
        if (length == 0)
            return out->sof ? FC_JPEG_NO_SCAN : FC_JPEG_NO_FRAME;
        const uint8_t *body = p + at + 2;
        if (marker == APP1 && !exif && length >= 8 && memcmp(body, "Exif\0\0", 6) == 0) {
            out->orientation = exif_orientation(body, length - 2);
            exif = 1; /* of several the first counts */
        }
        if (is_sof(marker) && !out->sof) {
            if (length < 8 || length < 8 + 3u * body[5])
                return FC_JPEG_NO_FRAME;
            out->sof = marker;
            out->precision_bits = body[0];
            out->height = (uint32_t)body[1] << 8 | body[2];
            out->width = (uint32_t)body[3] << 8 | body[4];
            out->components = body[5];
            if (!out->height || !out->width ||
                (out->components != 1 && out->components != 3 && out->components != 4))
                return FC_JPEG_BAD_FRAME;
            out->sampling = frame_sampling(body);
        }
        at += length;
        if (marker == SOS) {
            if (!out->sof)
                return FC_JPEG_NO_FRAME;
            /* One scan of all components, not progressive: its EOI is the only marker to come,
               and nearly always the last two bytes, so that the scan need not be read. */
            int single = (out->sof & 3) != 2 && length >= 3 && body[0] == out->components;
            if (single && n - at >= 2 && p[n - 2] == 0xFF && p[n - 1] == EOI)
                return FC_JPEG_OK;
            return ends(p, n, at) ? FC_JPEG_OK : FC_JPEG_NO_END;
        }
    }
}
