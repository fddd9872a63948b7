/* The JPEG marker reader: any bytes, and what must stay so when more come behind them. */
#include "fuzz.h"

#include "../ext/jpeg_impl.h"

/* No segment is longer, so that one that begins in the input ends in this. */
enum { PADDING = 65536 + 2, INPUT_MAX = 1 << 16 };

static int has_scan(int status)
{
    return status == FC_JPEG_OK || status == FC_JPEG_NO_END;
}

static void same_facts(const fc_jpeg *a, const fc_jpeg *b)
{
    CHECK(a->height == b->height && a->width == b->width && a->components == b->components);
    CHECK(a->precision_bits == b->precision_bits && a->sof == b->sof);
    CHECK(a->sampling == b->sampling && a->orientation == b->orientation);
}

static void plausible(int status, const fc_jpeg *jpeg)
{
    CHECK(status >= FC_JPEG_OK && status <= FC_JPEG_NO_END);
    CHECK(jpeg->orientation >= 1 && jpeg->orientation <= 8);
    if (has_scan(status)) {
        CHECK(jpeg->height && jpeg->height <= 65535 && jpeg->width && jpeg->width <= 65535);
        CHECK(jpeg->components == 1 || jpeg->components == 3 || jpeg->components == 4);
        CHECK(jpeg->sof >= 0xC0 && jpeg->sof <= 0xCF);
        int readable = fc_jpeg_readable(jpeg);
        CHECK(readable == FC_JPEG_OK || readable == FC_JPEG_DEPTH || readable == FC_JPEG_KIND);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t longer[INPUT_MAX + PADDING + 2];
    fc_jpeg jpeg, more;
    if (bytes > INPUT_MAX)
        return -1;
    int status = fc_jpeg_scan(data, bytes, &jpeg);
    plausible(status, &jpeg);

    /* Cut short by one byte: facts that were whole are the same. */
    if (bytes) {
        int shorter = fc_jpeg_scan(data, bytes - 1, &more);
        plausible(shorter, &more);
        if (has_scan(shorter)) {
            CHECK(has_scan(status));
            same_facts(&jpeg, &more);
        }
    }

    /* With zeros and an EOI behind it, whatever has a scan has an end. */
    memcpy(longer, data, bytes);
    memset(longer + bytes, 0, PADDING);
    longer[bytes + PADDING] = 0xFF;
    longer[bytes + PADDING + 1] = 0xD9;
    int then = fc_jpeg_scan(longer, bytes + PADDING + 2, &more);
    plausible(then, &more);
    CHECK(then != FC_JPEG_EMPTY && then != FC_JPEG_NO_END);
    if (has_scan(status)) {
        CHECK(then == FC_JPEG_OK);
        same_facts(&jpeg, &more);
    }
    if (status == FC_JPEG_BAD_FRAME || (status == FC_JPEG_FOREIGN && bytes >= 2))
        CHECK(then == status);
    return 0;
}
