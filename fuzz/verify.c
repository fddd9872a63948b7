/* What a record must hold: any payload against the rules, its image's sides, and joined checksums. */
#include "fuzz.h"

#include "../ext/crc32c_impl.h"
#include "../ext/verify_impl.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char NAMES[] = "an01440764";
static const int64_t START[] = {0, 1, 10, 10}; /* the last class has no name */

static void sides_hold(const uint8_t *data, size_t bytes)
{
    int64_t height = -1, width = -1, again_height, again_width;
    int components = fc_jpeg_sides(data, bytes, &height, &width);
    CHECK(components >= 0 && components <= 255);
    if (components == 0) {
        CHECK(height < 65536 && width < 65536);
        return;
    }
    CHECK(height >= 0 && height < 65536 && width >= 0 && width < 65536);
    /* What comes behind changes nothing. */
    uint8_t *longer = malloc(bytes + 9);
    memcpy(longer, data, bytes);
    memset(longer + bytes, 0xFF, 9);
    CHECK(fc_jpeg_sides(longer, bytes + 9, &again_height, &again_width) == components);
    CHECK(again_height == height && again_width == width);
    free(longer);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fc_crc32c_init();
    fc_join_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static fc_example e;
    int64_t records[3] = {0}, boxes = 0;
    fc_rules rules = {1, 3, (const uint8_t *)NAMES, START, records, &boxes};
    if (!bytes) /* its first byte says where checksums are joined, the rest is a payload */
        return 0;
    size_t part = data[0] * (bytes - 1) / 255;
    const uint8_t *payload = data + 1;
    bytes--;
    uint32_t a = fc_crc32c(0, payload, part), b = fc_crc32c(0, payload + part, bytes - part);
    CHECK(fc_joined(a, b, bytes - part) == fc_crc32c(0, payload, bytes));

    sides_hold(payload, bytes);
    if (fc_example_read(&e, payload, bytes) != FC_EXAMPLE_OK)
        return 0;
    int holds = fc_rules_hold(&rules, &e, payload);
    CHECK(holds == 0 || holds == 1);
    CHECK(boxes >= 0 && (holds || boxes == 0) && boxes <= (int64_t)e.float_count);
    CHECK(records[0] + records[1] + records[2] == holds);
    for (size_t i = 0; i < e.span_count; i++)
        sides_hold(payload + e.spans[i].at, (size_t)e.spans[i].bytes);
    return 0;
}
