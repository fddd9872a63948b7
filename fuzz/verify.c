/* What a record must hold: any payload against the rules, its image's sides, and joined checksums. */
#include "fuzz.h"

#include <string.h>

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

static const fc_key SLIM[FC_RULE_KEYS] = {
    {"image/height", 0, FC_KIND_INT64, 1},         {"image/width", 0, FC_KIND_INT64, 1},
    {"image/colorspace", 0, FC_KIND_BYTES, 1},     {"image/channels", 0, FC_KIND_INT64, 1},
    {"image/format", 0, FC_KIND_BYTES, 1},         {"image/class/label", 0, FC_KIND_INT64, 1},
    {"image/class/synset", 0, FC_KIND_BYTES, 1},   {"image/class/text", 0, FC_KIND_BYTES, 1},
    {"image/filename", 0, FC_KIND_BYTES, 1},       {"image/encoded", 0, FC_KIND_BYTES, 1},
    {"image/object/bbox/xmin", 0, FC_KIND_FLOAT, 0}, {"image/object/bbox/ymin", 0, FC_KIND_FLOAT, 0},
    {"image/object/bbox/xmax", 0, FC_KIND_FLOAT, 0}, {"image/object/bbox/ymax", 0, FC_KIND_FLOAT, 0},
    {"image/object/bbox/label", 0, FC_KIND_INT64, 0},
};
/* Another schema: most of it left out, the rest under other names. */
static const char *const TFDS[FC_RULE_KEYS] = {
    [FC_RULE_LABEL] = "image/class/label", [FC_RULE_FILENAME] = "file_name",
    [FC_RULE_ENCODED] = "image/encoded", [FC_RULE_YMAX] = "image/object/bbox/ymax",
};

static int held(fc_rules *rules, const fc_example *e, const uint8_t *payload)
{
    for (int64_t i = 0; i < rules->classes; i++)
        rules->records[i] = 0;
    *rules->boxes = 0;
    int holds = fc_rules_hold(rules, e, payload);
    CHECK(holds == 0 || holds == 1);
    CHECK(*rules->boxes >= 0 && (holds || *rules->boxes == 0));
    CHECK(*rules->boxes <= (int64_t)e->float_count);
    CHECK(rules->records[0] + rules->records[1] + rules->records[2] == holds);
    return holds;
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
    fc_rules rules = {.first_label = 1, .classes = 3, .names = (const uint8_t *)NAMES,
                      .name_start = START, .records = records, .boxes = &boxes};
    for (int key = 0; key < FC_RULE_KEYS; key++)
        rules.keys[key] = SLIM[key], rules.keys[key].bytes = strlen(SLIM[key].name);
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
    CHECK(held(&rules, &e, payload) <= 1);
    for (int key = 0; key < FC_RULE_KEYS; key++)
        if (!TFDS[key])
            rules.keys[key].bytes = 0;
        else
            rules.keys[key].name = TFDS[key], rules.keys[key].bytes = strlen(TFDS[key]);
    fc_key added[] = {{"iso", 3, FC_KIND_INT64, 1}, {"who", 3, FC_KIND_BYTES, 0}};
    rules.added = added;
    rules.added_count = part % 3;
    held(&rules, &e, payload);
    for (size_t i = 0; i < e.span_count; i++)
        sides_hold(payload + e.spans[i].at, (size_t)e.spans[i].bytes);
    return 0;
}
