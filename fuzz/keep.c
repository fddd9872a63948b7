/* The loop over a shard's kept images, with what reads records as its judge: any image, name, boxes,
   keys, limits and buffer.

   By contract the plan's columns are of one length and point where they say; a plan is fastconv's
   own work. What is in the images, and whether they are still there, is not. */
#include "fuzz.h"

#include "../ext/crc32c_impl.h"
#include "../ext/example_impl.h"
#include "../ext/example_reader_impl.h"
#include "../ext/frames_impl.h"
#include "../ext/keep_impl.h"

enum { ROWS = 3, BOXES_MAX = 4, NAME_MAX_BYTES = 40, TEXT_MAX = 200, EXTRA_MAX = 300 };

typedef struct {
    int32_t container[ROWS], klass[ROWS], container_file[1];
    int64_t offset[ROWS], size[ROWS], name_start[ROWS + 1], box_start[ROWS + 1], path_start[2];
    int64_t label[2], block_start[5], extra_start[ROWS + 1], extra_ints[ROWS];
    uint8_t extra[ROWS * EXTRA_MAX];
    uint8_t name[ROWS * NAME_MAX_BYTES], container_is_folder[1], path[64];
    float box[4 * ROWS * BOXES_MAX];
    char key[FC_KEYS][TEXT_MAX];
} columns;

static void make_plan(columns *c, fc_keep *keep, fuzz_input *in)
{
    memset(c, 0, sizeof *c);
    for (int row = 0; row < ROWS; row++) {
        c->klass[row] = (int32_t)(fuzz_take(in, 1) & 1);
        c->offset[row] = (int64_t)fuzz_take(in, 1);
        c->size[row] = (int64_t)fuzz_take(in, 2) % 3000;
        size_t name = fuzz_up_to(in, NAME_MAX_BYTES), boxes = fuzz_up_to(in, BOXES_MAX);
        memset(c->name + c->name_start[row], 'n', name);
        c->name_start[row + 1] = c->name_start[row] + (int64_t)name;
        for (size_t i = 0; i < 4 * boxes; i++)
            c->box[4 * c->box_start[row] + (int64_t)i] = (float)i + 0.5f;
        c->box_start[row + 1] = c->box_start[row] + (int64_t)boxes;
    }
    c->label[0] = (int64_t)fuzz_take(in, 8);
    c->label[1] = 1;
    for (int i = 0; i < FC_KEYS; i++) {
        size_t n = fuzz_up_to(in, TEXT_MAX - 1);
        n = i == FC_KEY_IMAGE && n == 0 ? 1 : n;
        memset(c->key[i], 'a' + i, n);
        keep->schema.key[i] = c->key[i];
        keep->schema.key_bytes[i] = n;
    }
    keep->limits = (fc_limits){
        .pixels_max = (int64_t)fuzz_take(in, 1) * 64, .short_max = (int64_t)fuzz_take(in, 1),
        .long_max = (int64_t)fuzz_take(in, 1), .exact_side = (int64_t)fuzz_take(in, 1) / 128,
        .bytes_max = (int64_t)fuzz_take(in, 1) * 16,
    };
    uint8_t flags = (uint8_t)fuzz_take(in, 1);
    keep->limits.every = flags & 1, keep->limits.turned = flags >> 1 & 1;
    keep->limits.gray = flags >> 2 & 1;
    keep->gray_block = flags & 8 ? 2 : 0;
    int has_extra = flags >> 4 & 1;
    for (int row = 0; row < ROWS; row++) {
        c->extra_ints[row] = -1;
        if (!has_extra)
            continue;
        /* One further feature, "+", of so many int64s of one byte; or none at all. */
        size_t ints = fuzz_up_to(in, EXTRA_MAX - 40);
        uint8_t *p = c->extra + c->extra_start[row], *end = p;
        c->extra_ints[row] = (int64_t)ints - 1;
        if (ints) {
            end = fc_put_entry(p, "+", 1, FC_INT64S, fc_size_packed(ints - 1));
            if (ints > 1) {
                end = fc_put_head(end, FC_TAG1, ints - 1);
                memset(end, 7, ints - 1);
                end += ints - 1;
            }
        }
        CHECK(end - p <= EXTRA_MAX);
        c->extra_start[row + 1] = c->extra_start[row] + (end - p);
    }
    keep->source.plan = (fc_plan){
        c->container, c->offset, c->size, c->klass, c->name_start, c->name, c->box_start, c->box,
        c->container_file, c->container_is_folder, c->path_start, c->path, c->label,
        c->block_start, c->path, has_extra ? c->extra_start : NULL, has_extra ? c->extra : NULL,
        NULL, NULL};
}

/* The record is one feature for each key, and each says what the plan and the image say. */
static void judge(const columns *c, const fc_keep *keep, int64_t row, const uint8_t *payload,
                  size_t bytes, const uint8_t *image, size_t image_bytes, const fc_jpeg *jpeg)
{
    static fc_example e;
    size_t n = 0;
    int64_t boxes = c->box_start[row + 1] - c->box_start[row];
    CHECK(fc_example_read(&e, payload, bytes) == FC_EXAMPLE_OK);
    for (int key = 0; key < FC_KEYS; key++) {
        if (!keep->schema.key_bytes[key])
            continue;
        CHECK(n < e.feature_count);
        const fc_feature *f = &e.features[n++];
        CHECK(f->name.bytes == (int64_t)keep->schema.key_bytes[key]);
        CHECK(memcmp(payload + f->name.at, c->key[key], (size_t)f->name.bytes) == 0);
        if (key == FC_KEY_IMAGE || key == FC_KEY_FILENAME) {
            CHECK(f->kind == FC_KIND_BYTES && f->count == 1);
            const fc_span *span = &e.spans[f->first];
            const uint8_t *due = key == FC_KEY_IMAGE ? image : c->name + c->name_start[row];
            size_t due_bytes = key == FC_KEY_IMAGE
                                   ? image_bytes
                                   : (size_t)(c->name_start[row + 1] - c->name_start[row]);
            CHECK(span->bytes == (int64_t)due_bytes);
            CHECK(due_bytes == 0 || memcmp(payload + span->at, due, due_bytes) == 0);
        } else if (key == FC_KEY_HEIGHT || key == FC_KEY_WIDTH) {
            CHECK(f->kind == FC_KIND_INT64 && f->count == 1);
            CHECK(e.ints[f->first] == (key == FC_KEY_HEIGHT ? jpeg->height : jpeg->width));
        } else if (key == FC_KEY_BOX_LABEL) {
            CHECK(f->kind == FC_KIND_INT64 && f->count == boxes);
            for (int64_t i = 0; i < boxes; i++)
                CHECK(e.ints[f->first + i] == c->label[c->klass[row]]);
        } else {
            CHECK(f->kind == FC_KIND_FLOAT && f->count == boxes);
            for (int64_t i = 0; i < boxes; i++)
                CHECK(memcmp(&e.floats[f->first + i],
                             &c->box[4 * (c->box_start[row] + i) + key - FC_KEY_XMIN], 4) == 0);
        }
    }
    if (c->extra_ints[row] >= 0) {
        CHECK(n < e.feature_count);
        const fc_feature *f = &e.features[n++];
        CHECK(f->name.bytes == 1 && payload[f->name.at] == '+');
        CHECK(f->kind == FC_KIND_INT64 && f->count == c->extra_ints[row]);
        for (int64_t i = 0; i < f->count; i++)
            CHECK(e.ints[f->first + i] == 7);
    }
    CHECK(n == e.feature_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int in_fd = -1, out_fd = -1;
    static uint8_t shard[1 << 16];
    static columns c;
    static int crc_is_ready;
    if (!crc_is_ready)
        fc_crc32c_init(), fc_frames_init();
    crc_is_ready = 1;

    fuzz_input in = {data, bytes};
    fc_output out;
    fc_keep keep;
    int64_t board[FC_BOARD_SLOTS] = {0};
    fuzz_file(&out_fd, data, 0);
    CHECK(lseek(out_fd, 0, SEEK_SET) == 0);
    fc_output_init(&out, out_fd, fuzz_up_to(&in, 20000));
    fc_keep_init(&keep, &out, board);
    make_plan(&c, &keep, &in);
    fuzz_file(&in_fd, in.p, in.bytes);
    c.path_start[1] = snprintf((char *)c.path, sizeof c.path, "/proc/self/fd/%d", in_fd);

    /* A row that the loop stops at is stored with bytes of its own, or left out. */
    int64_t row = 0, stored = 0, at[ROWS];
    const uint8_t *image[ROWS];
    size_t image_bytes[ROWS];
    fc_jpeg jpeg[ROWS];
    while (row < ROWS) {
        int64_t from = row;
        int result = fc_keep_run(&keep, &row, ROWS);
        CHECK(result == FC_KEEP_DONE ? row == ROWS : row < ROWS);
        for (int64_t done = from; done < row; done++) {
            at[stored] = done;
            image[stored] = in.p + c.offset[done];
            image_bytes[stored] = (size_t)c.size[done];
            CHECK(c.offset[done] + c.size[done] <= (int64_t)in.bytes);
            CHECK(fc_jpeg_scan(image[stored], image_bytes[stored], &jpeg[stored]) == FC_JPEG_OK);
            stored++;
        }
        if (result == FC_KEEP_DONE)
            break;
        CHECK(result != FC_KEEP_OPEN && result != FC_KEEP_READ && result != FC_KEEP_WRITE);
        if (result == FC_KEEP_LIMIT) {
            fc_stored is = {70000, 1, 0, NULL, 0};
            fc_keep_boxes(&keep, row, &is);
            CHECK(fc_keep_append(&keep, row, data, bytes, &is) == FC_KEEP_DONE);
            at[stored] = row;
            image[stored] = data;
            image_bytes[stored] = bytes;
            jpeg[stored++] = (fc_jpeg){.height = 70000, .width = 1};
        }
        row++;
    }
    CHECK(fc_output_finish(&out) == 0 && out.records == stored);
    CHECK(board[FC_BOARD_RECORDS] == stored);

    ssize_t shard_bytes = pread(out_fd, shard, sizeof shard, 0);
    fc_frames frames;
    CHECK(shard_bytes >= 0 && shard_bytes < (ssize_t)sizeof shard && shard_bytes == out.flushed);
    CHECK(fc_frames_index(&frames, out_fd, shard_bytes) == FC_FRAMES_WHOLE);
    CHECK(frames.record == stored && frames.used == out.index_bytes);
    CHECK(!frames.used || memcmp(frames.lines, out.index, frames.used) == 0);
    uint32_t whole = fc_crc32c_mask(out.crc);
    CHECK(fc_frames_masked(shard, (size_t)shard_bytes) == whole);
    size_t offset = 0;
    for (int64_t i = 0; i < stored; i++) {
        uint64_t payload_bytes;
        uint32_t crc;
        const uint8_t *payload = shard + offset + FC_FRAMES_HEAD;
        memcpy(&payload_bytes, shard + offset, 8);
        memcpy(&crc, payload + payload_bytes, 4);
        CHECK(fc_frames_masked(payload, payload_bytes) == crc);
        judge(&c, &keep, at[i], payload, payload_bytes, image[i], image_bytes[i], &jpeg[i]);
        offset += payload_bytes + FC_FRAMES_OVERHEAD;
    }
    fc_frames_free(&frames);
    fc_output_free(&out);
    fc_source_close(&keep.source);
    return 0;
}
