#include "example_reader_impl.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };
enum { FIELD1 = 1 << 3 | DELIMITED, FIELD2 = 2 << 3 | DELIMITED };

/* What is still to be read of a message: bytes [at, end) of the payload. */
typedef struct {
    const uint8_t *p;
    int64_t at, end;
} cursor;

void fc_example_init(fc_example *e)
{
    memset(e, 0, sizeof *e);
}

void fc_example_free(fc_example *e)
{
    free(e->features);
    free(e->spans);
    free(e->floats);
    free(e->ints);
    memset(e, 0, sizeof *e);
}

static int fail(fc_example *e, int why, int64_t at, uint64_t value)
{
    e->error_at = at;
    e->error_value = value;
    return why;
}

/* Room for `more` elements of `size` bytes behind `count`; NULL where there is no memory. */
static void *room(void *memory, size_t *capacity, size_t count, size_t more, size_t size)
{
    if (memory && more <= *capacity - count)
        return memory;
    size_t wanted = count + (more > count ? more : count);
    wanted = wanted < 16 ? 16 : wanted;
    if (wanted > SIZE_MAX / size)
        return NULL;
    void *larger = realloc(memory, wanted * size);
    if (larger)
        *capacity = wanted;
    return larger;
}

#define ROOM(e, name, more)                                                                    \
    do {                                                                                       \
        void *larger = room((e)->name##s, &(e)->name##_capacity, (e)->name##_count, (more),    \
                            sizeof *(e)->name##s);                                             \
        if (!larger)                                                                           \
            return FC_EXAMPLE_MEMORY;                                                          \
        (e)->name##s = larger;                                                                 \
    } while (0)

static inline int varint(fc_example *e, cursor *c, uint64_t *value)
{
    uint64_t v = 0;
    for (int shift = 0; c->at < c->end && shift < 64; shift += 7) {
        uint8_t b = c->p[c->at++];
        v |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) {
            *value = v;
            return FC_EXAMPLE_OK;
        }
    }
    return fail(e, FC_EXAMPLE_VARINT, c->at, 0);
}

static int delimited(fc_example *e, cursor *c, cursor *inner)
{
    uint64_t n;
    int why = varint(e, c, &n);
    if (why)
        return why;
    if (n > (uint64_t)(c->end - c->at))
        return fail(e, FC_EXAMPLE_BEYOND, c->at, n);
    *inner = (cursor){c->p, c->at, c->at + (int64_t)n};
    c->at = inner->end;
    return FC_EXAMPLE_OK;
}

/* Passes over the field behind its tag. */
static int skip(fc_example *e, cursor *c, uint64_t tag)
{
    uint64_t number;
    cursor inner;
    int wire = tag & 7;
    if (tag >> 3 == 0)
        return fail(e, FC_EXAMPLE_ZERO, c->at, 0);
    if (wire == VARINT)
        return varint(e, c, &number);
    if (wire == DELIMITED)
        return delimited(e, c, &inner);
    if (wire != FIXED64 && wire != FIXED32)
        return fail(e, FC_EXAMPLE_WIRE, c->at, (uint64_t)wire);
    int64_t n = wire == FIXED64 ? 8 : 4;
    if (n > c->end - c->at)
        return fail(e, FC_EXAMPLE_CUT, c->end, 0);
    c->at += n;
    return FC_EXAMPLE_OK;
}

/* Little-endian floats, as their bits. */
static int add_floats(fc_example *e, const uint8_t *p, size_t count)
{
    ROOM(e, float, count);
    uint32_t *to = e->floats + e->float_count;
    for (size_t i = 0; i < count; i++, p += 4)
        to[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    e->float_count += count;
    return FC_EXAMPLE_OK;
}

static int add_int(fc_example *e, cursor *c)
{
    uint64_t value;
    int why = varint(e, c, &value);
    if (why)
        return why;
    ROOM(e, int, 1);
    e->ints[e->int_count++] = (int64_t)value;
    return FC_EXAMPLE_OK;
}

static int add_span(fc_example *e, const cursor *inner)
{
    ROOM(e, span, 1);
    e->spans[e->span_count++] = (fc_span){inner->at, inner->end - inner->at};
    return FC_EXAMPLE_OK;
}

/* One value or one packed run of a list, behind its tag. */
static int read_value(fc_example *e, cursor *c, int kind, int wire)
{
    cursor inner;
    int why;
    if (kind == FC_KIND_FLOAT && wire == FIXED32) {
        if (c->end - c->at < 4)
            return fail(e, FC_EXAMPLE_FLOAT, c->at, 0);
        c->at += 4;
        return add_floats(e, c->p + c->at - 4, 1);
    }
    if (kind == FC_KIND_INT64 && wire == VARINT)
        return add_int(e, c);
    if (wire != DELIMITED)
        return fail(e, FC_EXAMPLE_VALUE, c->at, (uint64_t)wire);
    if ((why = delimited(e, c, &inner)))
        return why;
    if (kind == FC_KIND_BYTES)
        return add_span(e, &inner);
    if (kind == FC_KIND_FLOAT) {
        if ((inner.end - inner.at) % 4)
            return fail(e, FC_EXAMPLE_PACKED, inner.at, 0);
        return add_floats(e, inner.p + inner.at, (size_t)(inner.end - inner.at) / 4);
    }
    while (inner.at < inner.end)
        if ((why = add_int(e, &inner)))
            return why;
    return FC_EXAMPLE_OK;
}

/* A BytesList, FloatList or Int64List. */
static int read_list(fc_example *e, cursor c, int kind)
{
    while (c.at < c.end) {
        uint64_t tag;
        int why = varint(e, &c, &tag);
        if (!why)
            why = tag >> 3 == 1 ? read_value(e, &c, kind, tag & 7) : skip(e, &c, tag);
        if (why)
            return why;
    }
    return FC_EXAMPLE_OK;
}

static size_t *count_of(fc_example *e, int kind)
{
    return kind == FC_KIND_BYTES   ? &e->span_count
           : kind == FC_KIND_FLOAT ? &e->float_count
                                   : &e->int_count;
}

/* Of a oneof the last kind wins: values of another are dropped. */
static void turn_to(fc_example *e, fc_feature *feature, int kind)
{
    if (feature->kind == kind)
        return;
    if (feature->kind != FC_KIND_NONE)
        *count_of(e, feature->kind) = (size_t)feature->first;
    feature->kind = kind;
    feature->first = (int64_t)*count_of(e, kind);
}

/* What a Feature message holds, added to what an earlier part of it held. Only one feature is read
   at a time, so its values are one behind the other. */
static int read_feature(fc_example *e, cursor c, fc_feature *feature)
{
    while (c.at < c.end) {
        uint64_t tag;
        cursor list;
        int why = varint(e, &c, &tag);
        if (why)
            return why;
        if (tag >> 3 >= FC_KIND_BYTES && tag >> 3 <= FC_KIND_INT64 && (tag & 7) == DELIMITED) {
            turn_to(e, feature, (int)(tag >> 3));
            if (!(why = delimited(e, &c, &list)))
                why = read_list(e, list, feature->kind);
        } else {
            why = skip(e, &c, tag);
        }
        if (why)
            return why;
    }
    return FC_EXAMPLE_OK;
}

/* One entry of the map: name and Feature, in any order and number. */
static int read_entry(fc_example *e, cursor c)
{
    fc_feature feature = {.kind = FC_KIND_NONE};
    while (c.at < c.end) {
        uint64_t tag;
        cursor inner;
        int why = varint(e, &c, &tag);
        if (why)
            return why;
        if (tag == FIELD1) {
            why = delimited(e, &c, &inner);
            if (!why)
                feature.name = (fc_span){inner.at, inner.end - inner.at};
        } else if (tag == FIELD2) {
            why = delimited(e, &c, &inner);
            if (!why)
                why = read_feature(e, inner, &feature);
        } else {
            why = skip(e, &c, tag);
        }
        if (why)
            return why;
    }
    if (feature.kind != FC_KIND_NONE)
        feature.count = (int64_t)*count_of(e, feature.kind) - feature.first;
    ROOM(e, feature, 1);
    e->features[e->feature_count++] = feature;
    return FC_EXAMPLE_OK;
}

/* The Example, whose field 1 is a Features, whose field 1 is an entry. */
static int read_message(fc_example *e, cursor c, int depth)
{
    while (c.at < c.end) {
        uint64_t tag;
        cursor inner;
        int why = varint(e, &c, &tag);
        if (why)
            return why;
        if (tag == FIELD1) {
            if (!(why = delimited(e, &c, &inner)))
                why = depth == 0 ? read_message(e, inner, 1) : read_entry(e, inner);
        } else {
            why = skip(e, &c, tag);
        }
        if (why)
            return why;
    }
    return FC_EXAMPLE_OK;
}

int fc_example_read(fc_example *e, const uint8_t *payload, size_t bytes)
{
    e->feature_count = e->span_count = e->float_count = e->int_count = 0;
    e->error_at = 0;
    e->error_value = 0;
    return read_message(e, (cursor){payload, 0, (int64_t)bytes}, 0);
}
