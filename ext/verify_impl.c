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

/* The one feature of this name; NULL where it is not there once, or not of this kind. */
static const fc_feature *one(const fc_example *e, const uint8_t *payload, const fc_key *key)
{
    const fc_feature *found = NULL;
    for (size_t i = 0; i < e->feature_count; i++) {
        const fc_feature *feature = &e->features[i];
        if ((size_t)feature->name.bytes != key->bytes ||
            memcmp(payload + feature->name.at, key->name, key->bytes))
            continue;
        if (found)
            return NULL;
        found = feature;
    }
    if (!found || found->kind != key->kind || (key->single && found->count != 1))
        return NULL;
    return found;
}

/* Finds each of the keys once and nothing else, each of its kind. Those that the schema leaves out
   are NULL. */
static int find(const fc_rules *rules, const fc_example *e, const uint8_t *payload,
                const fc_feature *found[FC_RULE_KEYS])
{
    size_t expected = rules->added_count;
    for (int key = 0; key < FC_RULE_KEYS; key++)
        expected += rules->keys[key].bytes != 0;
    if (e->feature_count != expected)
        return 0;
    for (int key = 0; key < FC_RULE_KEYS; key++) {
        found[key] = NULL;
        if (rules->keys[key].bytes && !(found[key] = one(e, payload, &rules->keys[key])))
            return 0;
    }
    for (size_t i = 0; i < rules->added_count; i++)
        if (!one(e, payload, &rules->added[i]))
            return 0;
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

static int boxes_hold(const fc_example *e, const fc_feature *found[FC_RULE_KEYS])
{
    const fc_feature *first = NULL;
    for (int key = FC_RULE_XMIN; key < FC_RULE_KEYS; key++) {
        if (!found[key])
            continue;
        if (first && found[key]->count != first->count)
            return 0;
        first = found[key];
    }
    int64_t n = first ? first->count : 0;
    for (int low = FC_RULE_XMIN; low <= FC_RULE_YMIN; low++) {
        const fc_feature *from = found[low], *to = found[low + FC_RULE_XMAX - FC_RULE_XMIN];
        for (int64_t i = 0; i < n; i++) {
            float a = from ? number(e, from, i) : 0, b = to ? number(e, to, i) : 1;
            if (!(0 <= a && a <= b && b <= 1)) /* NaN, too */
                return 0;
        }
    }
    if (found[FC_RULE_BOX_LABEL] && found[FC_RULE_LABEL]) {
        int64_t label = e->ints[found[FC_RULE_LABEL]->first];
        for (int64_t i = 0; i < n; i++)
            if (e->ints[found[FC_RULE_BOX_LABEL]->first + i] != label)
                return 0;
    }
    return 1;
}

static int image_holds(const fc_example *e, const uint8_t *payload,
                       const fc_feature *found[FC_RULE_KEYS])
{
    const fc_span *image = &e->spans[found[FC_RULE_ENCODED]->first];
    int64_t height, width;
    int components = fc_jpeg_sides(payload + image->at, (size_t)image->bytes, &height, &width);
    if ((components != 1 && components != 3) || !height || !width)
        return 0;
    if (found[FC_RULE_HEIGHT] && e->ints[found[FC_RULE_HEIGHT]->first] != height)
        return 0;
    if (found[FC_RULE_WIDTH] && e->ints[found[FC_RULE_WIDTH]->first] != width)
        return 0;
    int64_t channels = 3;
    if (found[FC_RULE_CHANNELS])
        channels = e->ints[found[FC_RULE_CHANNELS]->first];
    if (channels != 3 && (channels != 1 || components != 1))
        return 0;
    const fc_feature *space = found[FC_RULE_COLORSPACE];
    if (space && found[FC_RULE_CHANNELS])
        return is_text(&e->spans[space->first], payload, channels == 1 ? "Grayscale" : "RGB");
    return !space || is_text(&e->spans[space->first], payload, "RGB") ||
           (components == 1 && is_text(&e->spans[space->first], payload, "Grayscale"));
}

int fc_rules_hold(const fc_rules *rules, const fc_example *e, const uint8_t *payload)
{
    const fc_feature *found[FC_RULE_KEYS];
    if (!find(rules, e, payload, found) || !found[FC_RULE_ENCODED])
        return 0;
    if (!image_holds(e, payload, found) || !boxes_hold(e, found))
        return 0;
    const fc_feature *format = found[FC_RULE_FORMAT], *filename = found[FC_RULE_FILENAME];
    if (format && !is_text(&e->spans[format->first], payload, "JPEG"))
        return 0;
    if (filename && !e->spans[filename->first].bytes)
        return 0;
    if (found[FC_RULE_LABEL]) {
        int64_t label = e->ints[found[FC_RULE_LABEL]->first];
        if (label < rules->first_label)
            return 0;
        int64_t klass = label - rules->first_label;
        if (klass >= rules->classes)
            return 0;
        if (found[FC_RULE_SYNSET]) {
            const fc_span *synset = &e->spans[found[FC_RULE_SYNSET]->first];
            int64_t name = rules->name_start[klass];
            size_t name_bytes = (size_t)(rules->name_start[klass + 1] - name);
            if ((size_t)synset->bytes != name_bytes ||
                memcmp(payload + synset->at, rules->names + name, name_bytes))
                return 0;
        }
        rules->records[klass]++;
    }
    *rules->boxes += found[FC_RULE_XMIN] ? found[FC_RULE_XMIN]->count : 0;
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
