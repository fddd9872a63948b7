/* The reader of Examples: any payload, what it says of one, and what the writer makes of that. */
#include "fuzz.h"

#include "../ext/example_impl.h"
#include "../ext/example_reader_impl.h"

static void within(const fc_span *span, size_t bytes)
{
    CHECK(span->at >= 0 && span->bytes >= 0 && span->at <= (int64_t)bytes);
    CHECK(span->bytes <= (int64_t)bytes - span->at);
}

/* Every value belongs to one feature, and those of a feature are one behind the other. */
static void plausible(const fc_example *e, int why, size_t bytes)
{
    int64_t used[4] = {0};
    CHECK(why >= FC_EXAMPLE_OK && why <= FC_EXAMPLE_VALUE && why != FC_EXAMPLE_MEMORY);
    CHECK(e->feature_count <= e->feature_capacity && e->span_count <= e->span_capacity);
    CHECK(e->float_count <= e->float_capacity && e->int_count <= e->int_capacity);
    CHECK(2 * e->feature_count <= bytes && 2 * e->span_count <= bytes);
    CHECK(4 * e->float_count <= bytes && e->int_count <= bytes);
    CHECK(e->error_at >= 0 && e->error_at <= (int64_t)bytes);
    for (size_t i = 0; i < e->feature_count; i++) {
        const fc_feature *f = &e->features[i];
        within(&f->name, bytes);
        CHECK(f->kind >= FC_KIND_NONE && f->kind <= FC_KIND_INT64 && f->count >= 0);
        CHECK(f->kind != FC_KIND_NONE || (f->first == 0 && f->count == 0));
        CHECK(f->kind == FC_KIND_NONE || f->first == used[f->kind]);
        used[f->kind] += f->count;
    }
    for (size_t i = 0; i < e->span_count; i++)
        within(&e->spans[i], bytes);
    if (why == FC_EXAMPLE_OK) {
        CHECK(used[FC_KIND_BYTES] == (int64_t)e->span_count);
        CHECK(used[FC_KIND_FLOAT] == (int64_t)e->float_count);
        CHECK(used[FC_KIND_INT64] == (int64_t)e->int_count);
    }
}

static void same_span(const fc_span *a, const uint8_t *p, const fc_span *b, const uint8_t *q)
{
    CHECK(a->bytes == b->bytes);
    CHECK(a->bytes == 0 || memcmp(p + a->at, q + b->at, (size_t)a->bytes) == 0);
}

/* Feature i of a is feature j of b. */
static void same(const fc_example *a, const uint8_t *p, size_t i, const fc_example *b,
                 const uint8_t *q, size_t j)
{
    const fc_feature *f = &a->features[i], *g = &b->features[j];
    same_span(&f->name, p, &g->name, q);
    CHECK(f->kind == g->kind && f->count == g->count);
    for (int64_t n = 0; n < f->count; n++)
        if (f->kind == FC_KIND_BYTES)
            same_span(&a->spans[f->first + n], p, &b->spans[g->first + n], q);
        else if (f->kind == FC_KIND_FLOAT)
            CHECK(a->floats[f->first + n] == b->floats[g->first + n]);
        else
            CHECK(a->ints[f->first + n] == b->ints[g->first + n]);
}

static size_t list_bytes(const fc_example *e, const fc_feature *f)
{
    size_t n = 0;
    for (int64_t i = f->first; i < f->first + f->count; i++)
        n += f->kind == FC_KIND_BYTES   ? fc_size_field((size_t)e->spans[i].bytes)
             : f->kind == FC_KIND_FLOAT ? 4
                                        : fc_size_varint((uint64_t)e->ints[i]);
    return f->kind == FC_KIND_BYTES ? n : fc_size_packed(n);
}

static uint8_t *put_list(uint8_t *p, const fc_example *e, const fc_feature *f, const uint8_t *data)
{
    if (f->kind != FC_KIND_BYTES && f->count) {
        size_t packed = list_bytes(e, f), n = packed - 2;
        while (fc_size_field(n) > packed)
            n--;
        p = fc_put_head(p, FC_TAG1, n);
    }
    for (int64_t i = f->first; i < f->first + f->count; i++) {
        if (f->kind == FC_KIND_BYTES) {
            p = fc_put_bytes(p, FC_TAG1, data + e->spans[i].at, (size_t)e->spans[i].bytes);
        } else if (f->kind == FC_KIND_FLOAT) {
            memcpy(p, &e->floats[i], 4);
            p += 4;
        } else {
            p = fc_put_varint(p, (uint64_t)e->ints[i]);
        }
    }
    return p;
}

/* Written by the code that writes records, it is read as the same again. */
static void written_and_read(const fc_example *e, const uint8_t *data)
{
    static const uint8_t LIST[] = {0, FC_BYTES, FC_FLOATS, FC_INT64S};
    size_t total = 0, listed = 0;
    for (size_t i = 0; i < e->feature_count; i++)
        if (e->features[i].kind != FC_KIND_NONE)
            total += fc_size_entry((size_t)e->features[i].name.bytes, list_bytes(e, &e->features[i]));
    size_t payload_bytes = fc_size_field(total);
    uint8_t *payload = malloc(payload_bytes), *p = fc_put_head(payload, FC_TAG1, total);
    for (size_t i = 0; i < e->feature_count; i++) {
        const fc_feature *f = &e->features[i];
        if (f->kind == FC_KIND_NONE)
            continue;
        p = fc_put_entry(p, (const char *)data + f->name.at, (size_t)f->name.bytes, LIST[f->kind],
                         list_bytes(e, f));
        p = put_list(p, e, f, data);
    }
    CHECK(p == payload + payload_bytes);
    fc_example again;
    fc_example_init(&again);
    CHECK(fc_example_read(&again, payload, payload_bytes) == FC_EXAMPLE_OK);
    plausible(&again, FC_EXAMPLE_OK, payload_bytes);
    for (size_t i = 0; i < e->feature_count; i++)
        if (e->features[i].kind != FC_KIND_NONE)
            same(e, data, i, &again, payload, listed++);
    CHECK(listed == again.feature_count);
    fc_example_free(&again);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static fc_example kept; /* memory of one call serves the next */
    fc_example e;
    fc_example_init(&e);
    int why = fc_example_read(&e, data, bytes);
    plausible(&e, why, bytes);
    CHECK(fc_example_read(&kept, data, bytes) == why);
    plausible(&kept, why, bytes);
    CHECK(kept.error_at == e.error_at && kept.error_value == e.error_value);
    CHECK(kept.feature_count == e.feature_count);
    for (size_t i = 0; i < e.feature_count; i++)
        same(&e, data, i, &kept, data, i);
    if (why == FC_EXAMPLE_OK) {
        written_and_read(&e, data);
        /* Two Examples, one behind the other, are one with the features of both. */
        uint8_t *twice = malloc(2 * bytes + 1);
        memcpy(twice, data, bytes);
        memcpy(twice + bytes, data, bytes);
        CHECK(fc_example_read(&kept, twice, 2 * bytes) == FC_EXAMPLE_OK);
        plausible(&kept, FC_EXAMPLE_OK, 2 * bytes);
        CHECK(kept.feature_count == 2 * e.feature_count);
        for (size_t i = 0; i < kept.feature_count; i++)
            same(&e, data, i % e.feature_count, &kept, twice, i);
        free(twice);
    }
    fc_example_free(&e);
    return 0;
}
