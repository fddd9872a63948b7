#include "verify_impl.h"

#include <string.h>

int fc_jpeg_sides(const uint8_t *p, size_t bytes, int64_t *height, int64_t *width)
{
    size_t at = 2;
    if (bytes < 4 || p[0] != 0xFF || p[1] != 0xD8)
        return 0;
    while (at < bytes) {
        if (p[at++] != 0xFF) /* libjpeg passes over what is no marker */
            continue;
        while (at < bytes && p[at] == 0xFF)
            at++;
        if (at >= bytes)
            return 0;
        unsigned marker = p[at++];
        if (marker == 0 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7))
            continue; /* without a segment */
        if (marker == 0xD8 || marker == 0xD9 || marker == 0xDA || bytes - at < 2)
            return 0;
        size_t length = (size_t)p[at] << 8 | p[at + 1];
        if (length < 2)
            return 0;
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) {
            if (length < 8 || bytes - at < 8)
                return 0;
            *height = (int64_t)p[at + 3] << 8 | p[at + 4];
            *width = (int64_t)p[at + 5] << 8 | p[at + 6];
            return p[at + 7];
        }
        if (length > bytes - at)
            return 0;
        at += length;
    }
    return 0;
}

enum {
    HEIGHT, WIDTH, COLORSPACE, CHANNELS, FORMAT, LABEL, SYNSET, TEXT, FILENAME, ENCODED,
    XMIN, YMIN, XMAX, YMAX, BOX_LABEL, KEYS
};

static const struct {
    const char *name;
    int kind;
} keys[KEYS] = {
    [HEIGHT] = {"image/height", FC_KIND_INT64},
    [WIDTH] = {"image/width", FC_KIND_INT64},
    [COLORSPACE] = {"image/colorspace", FC_KIND_BYTES},
    [CHANNELS] = {"image/channels", FC_KIND_INT64},
    [FORMAT] = {"image/format", FC_KIND_BYTES},
    [LABEL] = {"image/class/label", FC_KIND_INT64},
    [SYNSET] = {"image/class/synset", FC_KIND_BYTES},
    [TEXT] = {"image/class/text", FC_KIND_BYTES},
    [FILENAME] = {"image/filename", FC_KIND_BYTES},
    [ENCODED] = {"image/encoded", FC_KIND_BYTES},
    [XMIN] = {"image/object/bbox/xmin", FC_KIND_FLOAT},
    [YMIN] = {"image/object/bbox/ymin", FC_KIND_FLOAT},
    [XMAX] = {"image/object/bbox/xmax", FC_KIND_FLOAT},
    [YMAX] = {"image/object/bbox/ymax", FC_KIND_FLOAT},
    [BOX_LABEL] = {"image/object/bbox/label", FC_KIND_INT64},
};

/* Finds each of the keys once and nothing else, each of its kind. */
static int find(const fc_example *e, const uint8_t *payload, const fc_feature *found[KEYS])
{
    if (e->feature_count != KEYS)
        return 0;
    memset(found, 0, KEYS * sizeof *found);
    for (size_t i = 0; i < KEYS; i++) {
        const fc_feature *feature = &e->features[i];
        const char *name = (const char *)payload + feature->name.at;
        int key = 0;
        while (key < KEYS && ((size_t)feature->name.bytes != strlen(keys[key].name) ||
                              memcmp(name, keys[key].name, (size_t)feature->name.bytes)))
            key++;
        if (key == KEYS || found[key] || feature->kind != keys[key].kind)
            return 0;
        if (key < XMIN && feature->count != 1)
            return 0;
        found[key] = feature;
    }
    return 1;
}

static int is_text(const fc_span *span, const uint8_t *payload, const char *text)
{
    return (size_t)span->bytes == strlen(text) && !memcmp(payload + span->at, text, strlen(text));
}

static float number(const fc_example *e, const fc_feature *feature, int64_t i)
{
    float value;
    memcpy(&value, &e->floats[feature->first + i], sizeof value);
    return value;
}

static int boxes_hold(const fc_example *e, const fc_feature *found[KEYS], int64_t label)
{
    int64_t n = found[XMIN]->count;
    for (int key = YMIN; key < KEYS; key++)
        if (found[key]->count != n)
            return 0;
    for (int64_t i = 0; i < n; i++) {
        float x0 = number(e, found[XMIN], i), x1 = number(e, found[XMAX], i);
        float y0 = number(e, found[YMIN], i), y1 = number(e, found[YMAX], i);
        if (!(0 <= x0 && x0 <= x1 && x1 <= 1 && 0 <= y0 && y0 <= y1 && y1 <= 1)) /* NaN, too */
            return 0;
        if (e->ints[found[BOX_LABEL]->first + i] != label)
            return 0;
    }
    return 1;
}

int fc_rules_hold(const fc_rules *rules, const fc_example *e, const uint8_t *payload)
{
    const fc_feature *found[KEYS];
    if (!find(e, payload, found))
        return 0;
    const fc_span *spans[KEYS] = {0};
    int64_t numbers[KEYS] = {0};
    for (int key = 0; key < XMIN; key++) {
        if (keys[key].kind == FC_KIND_BYTES)
            spans[key] = &e->spans[found[key]->first];
        else
            numbers[key] = e->ints[found[key]->first];
    }
    int64_t height, width;
    const fc_span *image = spans[ENCODED];
    int components = fc_jpeg_sides(payload + image->at, (size_t)image->bytes, &height, &width);
    if (!components || height != numbers[HEIGHT] || width != numbers[WIDTH] || !height || !width)
        return 0;
    if (!is_text(spans[FORMAT], payload, "JPEG") || !spans[FILENAME]->bytes)
        return 0;
    if (numbers[CHANNELS] == 1) {
        if (components != 1 || !is_text(spans[COLORSPACE], payload, "Grayscale"))
            return 0;
    } else if (numbers[CHANNELS] != 3 || (components != 1 && components != 3) ||
               !is_text(spans[COLORSPACE], payload, "RGB")) {
        return 0;
    }
    if (numbers[LABEL] < rules->first_label)
        return 0;
    int64_t klass = numbers[LABEL] - rules->first_label;
    if (klass >= rules->classes)
        return 0;
    int64_t name = rules->name_start[klass];
    size_t name_bytes = (size_t)(rules->name_start[klass + 1] - name);
    if ((size_t)spans[SYNSET]->bytes != name_bytes ||
        memcmp(payload + spans[SYNSET]->at, rules->names + name, name_bytes))
        return 0;
    if (!boxes_hold(e, found, numbers[LABEL]))
        return 0;
    rules->records[klass]++;
    *rules->boxes += found[XMIN]->count;
    return 1;
}

/* The CRC of a followed by b is that of a, moved by as many zero bytes as b has, plus that of b. To
   move by a byte is to multiply by x^8 in the field of the polynomial; reflected, x^0 is the top
   bit. */
enum { POWERS = 64 };
static uint32_t power[POWERS]; /* x^(8 · 2^k) */

static uint32_t product(uint32_t a, uint32_t b)
{
    uint32_t sum = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
        sum ^= a & bit ? b : 0;
        b = (b >> 1) ^ (b & 1 ? UINT32_C(0x82F63B78) : 0);
    }
    return sum;
}

void fc_join_init(void)
{
    power[0] = UINT32_C(1) << 23;
    for (int k = 1; k < POWERS; k++)
        power[k] = product(power[k - 1], power[k - 1]);
}

uint32_t fc_joined(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b)
{
    for (int k = 0; bytes_b; k++, bytes_b >>= 1)
        if (bytes_b & 1)
            crc_a = product(power[k], crc_a);
    return crc_a ^ crc_b;
}
