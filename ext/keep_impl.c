#include "keep_impl.h"

#include <string.h>

#include "example_impl.h"

void fc_keep_init(fc_keep *keep, fc_output *out, int64_t *board)
{
    memset(keep, 0, sizeof *keep);
    fc_source_init(&keep->source);
    keep->out = out;
    keep->board = board;
}

void fc_keep_boxes(const fc_keep *keep, int64_t row, fc_stored *stored)
{
    const fc_plan *plan = &keep->source.plan;
    stored->box = plan->box + 4 * plan->box_start[row];
    stored->boxes = plan->box_start[row + 1] - plan->box_start[row];
}

/* ---- encoding: everything but the image's own entry -------------------------------------- */

static size_t size_int(const fc_schema *s, int key, int64_t value)
{
    if (!s->key_bytes[key])
        return 0;
    return fc_size_entry(s->key_bytes[key], fc_size_packed(fc_size_varint((uint64_t)value)));
}

static uint8_t *put_int(uint8_t *p, const fc_schema *s, int key, int64_t value)
{
    if (!s->key_bytes[key])
        return p;
    size_t n = fc_size_varint((uint64_t)value);
    p = fc_put_entry(p, s->key[key], s->key_bytes[key], FC_INT64S, fc_size_packed(n));
    return fc_put_varint(fc_put_head(p, FC_TAG1, n), (uint64_t)value);
}

static size_t size_floats(const fc_schema *s, int key, int64_t count)
{
    return s->key_bytes[key] ? fc_size_entry(s->key_bytes[key], fc_size_packed(4 * (size_t)count))
                             : 0;
}

static uint8_t *put_floats(uint8_t *p, const fc_schema *s, int key, const float *first,
                           int64_t count)
{
    if (!s->key_bytes[key])
        return p;
    size_t n = 4 * (size_t)count;
    p = fc_put_entry(p, s->key[key], s->key_bytes[key], FC_FLOATS, fc_size_packed(n));
    if (n)
        p = fc_put_head(p, FC_TAG1, n);
    for (int64_t i = 0; i < count; i++, p += 4)
        memcpy(p, first + 4 * i, 4);
    return p;
}

static size_t size_repeated(const fc_schema *s, int key, int64_t value, int64_t count)
{
    if (!s->key_bytes[key])
        return 0;
    size_t n = fc_size_varint((uint64_t)value) * (size_t)count;
    return fc_size_entry(s->key_bytes[key], fc_size_packed(n));
}

static uint8_t *put_repeated(uint8_t *p, const fc_schema *s, int key, int64_t value, int64_t count)
{
    if (!s->key_bytes[key])
        return p;
    size_t n = fc_size_varint((uint64_t)value) * (size_t)count;
    p = fc_put_entry(p, s->key[key], s->key_bytes[key], FC_INT64S, fc_size_packed(n));
    if (n)
        p = fc_put_head(p, FC_TAG1, n);
    for (int64_t i = 0; i < count; i++)
        p = fc_put_varint(p, (uint64_t)value);
    return p;
}

/* The row's class's entries: its row of the plan's blocks. */
static int64_t block_of(const fc_keep *k, int64_t row, int gray)
{
    return k->source.plan.klass[row] + (gray ? k->gray_block : 0);
}

static size_t extra_bytes(const fc_plan *plan, int64_t row)
{
    return plan->extra_start ? (size_t)(plan->extra_start[row + 1] - plan->extra_start[row]) : 0;
}

static size_t size_rest(const fc_keep *k, int64_t row, const fc_stored *is)
{
    const fc_plan *plan = &k->source.plan;
    const fc_schema *s = &k->schema;
    int64_t block = block_of(k, row, is->gray);
    size_t name = (size_t)(plan->name_start[row + 1] - plan->name_start[row]);
    size_t n = (size_t)(plan->block_start[block + 1] - plan->block_start[block]);
    if (s->key_bytes[FC_KEY_FILENAME])
        n += fc_size_entry(s->key_bytes[FC_KEY_FILENAME], fc_size_field(name));
    n += size_int(s, FC_KEY_HEIGHT, is->height) + size_int(s, FC_KEY_WIDTH, is->width);
    for (int key = FC_KEY_XMIN; key <= FC_KEY_YMAX; key++)
        n += size_floats(s, key, is->boxes);
    n += size_repeated(s, FC_KEY_BOX_LABEL, plan->label[plan->klass[row]], is->boxes);
    return n + extra_bytes(plan, row);
}

static uint8_t *put_rest(uint8_t *p, const fc_keep *k, int64_t row, const fc_stored *is)
{
    const fc_plan *plan = &k->source.plan;
    const fc_schema *s = &k->schema;
    int64_t block = block_of(k, row, is->gray);
    size_t block_bytes = (size_t)(plan->block_start[block + 1] - plan->block_start[block]);
    memcpy(p, plan->block + plan->block_start[block], block_bytes);
    p += block_bytes;
    if (s->key_bytes[FC_KEY_FILENAME]) {
        size_t name = (size_t)(plan->name_start[row + 1] - plan->name_start[row]);
        p = fc_put_entry(p, s->key[FC_KEY_FILENAME], s->key_bytes[FC_KEY_FILENAME], FC_BYTES,
                         fc_size_field(name));
        p = fc_put_bytes(p, FC_TAG1, plan->name + plan->name_start[row], name);
    }
    p = put_int(p, s, FC_KEY_HEIGHT, is->height);
    p = put_int(p, s, FC_KEY_WIDTH, is->width);
    for (int key = FC_KEY_XMIN; key <= FC_KEY_YMAX; key++)
        p = put_floats(p, s, key, is->box + (key - FC_KEY_XMIN), is->boxes);
    p = put_repeated(p, s, FC_KEY_BOX_LABEL, plan->label[plan->klass[row]], is->boxes);
    size_t extra = extra_bytes(plan, row);
    if (extra)
        memcpy(p, plan->extra + plan->extra_start[row], extra);
    return p + extra;
}

/* ---- encoding: the image's entry comes first, so that its bytes can be read into place ---- */

/* Bytes of the payload before the image's own, for a record with `rest` bytes behind them. */
static size_t size_before(const fc_schema *s, size_t image_bytes, size_t rest)
{
    size_t list = fc_size_field(image_bytes);
    size_t entry = fc_size_entry(s->key_bytes[FC_KEY_IMAGE], list);
    return 1 + fc_size_varint(entry + rest) + entry - image_bytes;
}

static void put_before(uint8_t *p, const fc_schema *s, size_t image_bytes, size_t rest)
{
    size_t list = fc_size_field(image_bytes);
    p = fc_put_head(p, FC_TAG1, fc_size_entry(s->key_bytes[FC_KEY_IMAGE], list) + rest);
    p = fc_put_entry(p, s->key[FC_KEY_IMAGE], s->key_bytes[FC_KEY_IMAGE], FC_BYTES, list);
    fc_put_head(p, FC_TAG1, image_bytes);
}

/* The image's bytes stand at `image`, near their place in `frame`: move them there if they are
   not, and lay the rest of the record around them. */
static int finish(fc_keep *k, int64_t row, uint8_t *frame, const uint8_t *image, size_t image_bytes,
                  const fc_stored *is)
{
    size_t rest = size_rest(k, row, is);
    size_t before = size_before(&k->schema, image_bytes, rest);
    uint8_t *payload = frame + FC_FRAME_HEAD;
    if (payload + before != image)
        memmove(payload + before, image, image_bytes);
    put_before(payload, &k->schema, image_bytes, rest);
    put_rest(payload + before + image_bytes, k, row, is);
    if (fc_output_seal(k->out, before + image_bytes + rest) < 0)
        return FC_KEEP_WRITE;
    k->board[FC_BOARD_RECORDS]++;
    k->board[FC_BOARD_BYTES] += (int64_t)(before + image_bytes + rest);
    return FC_KEEP_DONE;
}

/* Room for the frame of a record, before its sides and components are known: no image has a side
   over 65,535, so that no rest is longer than with these. */
static uint8_t *reserve(fc_keep *k, int64_t row, size_t image_bytes, const fc_stored *like)
{
    fc_stored largest = {UINT32_MAX, UINT32_MAX, 0, like->box, like->boxes};
    size_t rest = size_rest(k, row, &largest);
    largest.gray = 1;
    size_t gray_rest = size_rest(k, row, &largest);
    rest = rest > gray_rest ? rest : gray_rest;
    return fc_output_reserve(k->out, FC_FRAME_HEAD + size_before(&k->schema, image_bytes, rest) +
                                         image_bytes + rest + FC_FRAME_TAIL);
}

int fc_keep_append(fc_keep *k, int64_t row, const uint8_t *image, size_t image_bytes,
                   const fc_stored *stored)
{
    uint8_t *frame = reserve(k, row, image_bytes, stored);
    if (!frame)
        return FC_KEEP_WRITE;
    return finish(k, row, frame, image, image_bytes, stored);
}

/* ---- the loop ----------------------------------------------------------------------------- */

static int is_beyond(const fc_limits *limits, const fc_jpeg *jpeg, size_t image_bytes)
{
    int64_t height = jpeg->height, width = jpeg->width;
    int64_t shorter = height < width ? height : width, longer = height + width - shorter;
    return limits->every || (limits->turned && jpeg->orientation != 1) ||
           (limits->gray && jpeg->components == 1) ||
           (limits->short_max && shorter > limits->short_max) ||
           (limits->long_max && longer > limits->long_max) ||
           (limits->exact_side && (shorter != limits->exact_side || longer != shorter)) ||
           (limits->bytes_max && (int64_t)image_bytes > limits->bytes_max);
}

static int judged(const fc_limits *limits, const fc_jpeg *jpeg)
{
    if (limits->pixels_max && (int64_t)jpeg->height * jpeg->width > limits->pixels_max)
        return FC_JPEG_PIXELS;
    return fc_jpeg_readable(jpeg);
}

static int keep_row(fc_keep *k, int64_t row, int64_t stop)
{
    fc_stored is = {128, 128, 0, NULL, 0};
    size_t n = (size_t)k->source.plan.size[row];
    if (k->limits.file_bytes_max && (int64_t)n > k->limits.file_bytes_max) {
        memset(&k->jpeg, 0, sizeof k->jpeg);
        k->jpeg_status = FC_JPEG_BYTES;
        return FC_KEEP_BAD;
    }
    fc_keep_boxes(k, row, &is);
    uint8_t *frame = reserve(k, row, n, &is);
    if (!frame)
        return FC_KEEP_WRITE;
    /* Where the bytes belong if both sides take two bytes as a varint: 128 to 16,383 pixels. */
    uint8_t *image = frame + FC_FRAME_HEAD + size_before(&k->schema, n, size_rest(k, row, &is));
    k->image = image;
    k->image_bytes = n;
    switch (fc_source_read(&k->source, row, stop, image, n)) {
    case FC_SOURCE_OPEN:
        return FC_KEEP_OPEN;
    case FC_SOURCE_READ:
        return FC_KEEP_READ;
    case FC_SOURCE_CHANGED:
        return FC_KEEP_CHANGED;
    }
    k->jpeg_status = fc_jpeg_scan(image, n, &k->jpeg);
    if (k->jpeg_status == FC_JPEG_FOREIGN)
        return FC_KEEP_FOREIGN;
    if (k->jpeg_status == FC_JPEG_OK)
        k->jpeg_status = judged(&k->limits, &k->jpeg);
    if (k->jpeg_status != FC_JPEG_OK)
        return FC_KEEP_BAD;
    if (k->jpeg.components == 4)
        return FC_KEEP_FOREIGN;
    if (is_beyond(&k->limits, &k->jpeg, n))
        return FC_KEEP_LIMIT;
    is.height = k->jpeg.height;
    is.width = k->jpeg.width;
    is.gray = k->jpeg.components == 1;
    return finish(k, row, frame, image, n, &is);
}

int fc_keep_run(fc_keep *keep, int64_t *row, int64_t stop)
{
    for (; *row < stop; ++*row) {
        keep->board[FC_BOARD_ROW] = *row;
        int result = keep_row(keep, *row, stop);
        if (result != FC_KEEP_DONE)
            return result;
    }
    return FC_KEEP_DONE;
}
