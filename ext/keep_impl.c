#include "keep_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "example_impl.h"

void fc_keep_init(fc_keep *keep, fc_output *out, int64_t *board)
{
    memset(keep, 0, sizeof *keep);
    keep->out = out;
    keep->board = board;
    for (int i = 0; i < FC_FILES; i++)
        keep->files[i].file = -1;
}

void fc_keep_close(fc_keep *keep)
{
    for (int i = 0; i < FC_FILES; i++)
        if (keep->files[i].file >= 0)
            close(keep->files[i].fd);
    for (int i = 0; i < FC_FILES; i++)
        keep->files[i].file = -1;
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

static size_t size_rest(const fc_keep *k, int64_t row, uint32_t height, uint32_t width)
{
    const fc_plan *plan = &k->plan;
    const fc_schema *s = &k->schema;
    int32_t klass = plan->klass[row];
    int64_t boxes = plan->box_start[row + 1] - plan->box_start[row];
    size_t name = (size_t)(plan->name_start[row + 1] - plan->name_start[row]);
    size_t n = (size_t)(plan->block_start[klass + 1] - plan->block_start[klass]);
    if (s->key_bytes[FC_KEY_FILENAME])
        n += fc_size_entry(s->key_bytes[FC_KEY_FILENAME], fc_size_field(name));
    n += size_int(s, FC_KEY_HEIGHT, height) + size_int(s, FC_KEY_WIDTH, width);
    for (int key = FC_KEY_XMIN; key <= FC_KEY_YMAX; key++)
        n += size_floats(s, key, boxes);
    return n + size_repeated(s, FC_KEY_BOX_LABEL, plan->label[klass], boxes);
}

static uint8_t *put_rest(uint8_t *p, const fc_keep *k, int64_t row, uint32_t height, uint32_t width)
{
    const fc_plan *plan = &k->plan;
    const fc_schema *s = &k->schema;
    int32_t klass = plan->klass[row];
    int64_t first = plan->box_start[row], boxes = plan->box_start[row + 1] - first;
    size_t block = (size_t)(plan->block_start[klass + 1] - plan->block_start[klass]);
    memcpy(p, plan->block + plan->block_start[klass], block);
    p += block;
    if (s->key_bytes[FC_KEY_FILENAME]) {
        size_t name = (size_t)(plan->name_start[row + 1] - plan->name_start[row]);
        p = fc_put_entry(p, s->key[FC_KEY_FILENAME], s->key_bytes[FC_KEY_FILENAME], FC_BYTES,
                         fc_size_field(name));
        p = fc_put_bytes(p, FC_TAG1, plan->name + plan->name_start[row], name);
    }
    p = put_int(p, s, FC_KEY_HEIGHT, height);
    p = put_int(p, s, FC_KEY_WIDTH, width);
    for (int key = FC_KEY_XMIN; key <= FC_KEY_YMAX; key++)
        p = put_floats(p, s, key, plan->box + 4 * first + (key - FC_KEY_XMIN), boxes);
    return put_repeated(p, s, FC_KEY_BOX_LABEL, plan->label[klass], boxes);
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
                  uint32_t height, uint32_t width)
{
    size_t rest = size_rest(k, row, height, width);
    size_t before = size_before(&k->schema, image_bytes, rest);
    uint8_t *payload = frame + FC_FRAME_HEAD;
    if (payload + before != image)
        memmove(payload + before, image, image_bytes);
    put_before(payload, &k->schema, image_bytes, rest);
    put_rest(payload + before + image_bytes, k, row, height, width);
    if (fc_output_seal(k->out, before + image_bytes + rest) < 0)
        return FC_KEEP_WRITE;
    k->board[FC_BOARD_RECORDS]++;
    k->board[FC_BOARD_BYTES] += (int64_t)(before + image_bytes + rest);
    return FC_KEEP_DONE;
}

/* No image has a side over 65,535, so that no rest is longer than with these. */
static size_t frame_bytes_max(const fc_keep *k, int64_t row, size_t image_bytes)
{
    size_t rest = size_rest(k, row, UINT32_MAX, UINT32_MAX);
    return FC_FRAME_HEAD + size_before(&k->schema, image_bytes, rest) + image_bytes + rest +
           FC_FRAME_TAIL;
}

int fc_keep_append(fc_keep *k, int64_t row, const uint8_t *image, size_t image_bytes,
                   uint32_t height, uint32_t width)
{
    uint8_t *frame = fc_output_reserve(k->out, frame_bytes_max(k, row, image_bytes));
    if (!frame)
        return FC_KEEP_WRITE;
    return finish(k, row, frame, image, image_bytes, height, width);
}

/* ---- reading ------------------------------------------------------------------------------ */

static int read_at(fc_keep *k, int fd, uint8_t *to, size_t n, int64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)(offset + (int64_t)done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            k->error = errno;
            return FC_KEEP_READ;
        }
        if (got == 0) {
            k->found_bytes = (int64_t)done;
            return FC_KEEP_CHANGED;
        }
        done += (size_t)got;
    }
    return FC_KEEP_DONE;
}

static int open_path(const uint8_t *folder, size_t folder_bytes, const uint8_t *name,
                     size_t name_bytes)
{
    char path[PATH_MAX];
    if (folder_bytes + name_bytes + 2 > sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path, folder, folder_bytes);
    if (name_bytes) {
        path[folder_bytes++] = '/';
        memcpy(path + folder_bytes, name, name_bytes);
    }
    path[folder_bytes + name_bytes] = 0;
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Archives stay open, the few that there are; a folder of a thousand of them shares FC_FILES. */
static int archive(fc_keep *k, int32_t file)
{
    fc_open_file *slot = &k->files[file % FC_FILES];
    if (slot->file == file)
        return slot->fd;
    const fc_plan *plan = &k->plan;
    int fd = open_path(plan->path + plan->path_start[file],
                       (size_t)(plan->path_start[file + 1] - plan->path_start[file]), NULL, 0);
    if (fd < 0 && errno == EMFILE) {
        fc_keep_close(k); /* fewer may be open here than are kept: make room, and try again */
        fd = open_path(plan->path + plan->path_start[file],
                       (size_t)(plan->path_start[file + 1] - plan->path_start[file]), NULL, 0);
    }
    if (fd < 0)
        return -1;
    if (slot->file >= 0)
        close(slot->fd);
    slot->file = file;
    slot->fd = fd;
    return fd;
}

/* ---- reading ahead -------------------------------------------------------------------------

   In a shuffled order every read from an archive is a seek, and a disk or a parallel file system
   has many of them under way as quickly as one. So the reads to come are announced, as long as
   the archive proves not to be in memory already: there, announcing would only cost. */

enum { AHEAD_ROWS = 64, SLOW_READS = 3, COLD_ROWS = 4096 };

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Memory gives 2 GB/s at the least, and answers within 50 us but for the odd interruption. */
static void judge(fc_keep *k, int64_t row, int64_t spent_ns, size_t n)
{
    if (spent_ns < 50000 + (int64_t)n / 2) {
        if (k->slow)
            k->slow--;
        return;
    }
    k->slow += 2;
    if (k->slow >= 2 * SLOW_READS) {
        k->slow = 0;
        k->cold_until = row + COLD_ROWS;
    }
}

static void announce(fc_keep *k, int64_t row, int64_t stop)
{
#ifdef POSIX_FADV_WILLNEED
    if (row >= k->cold_until)
        return;
    if (k->advised <= row)
        k->advised = row + 1;
    for (; k->advised < stop && k->advised <= row + AHEAD_ROWS; k->advised++) {
        int32_t container = k->plan.container[k->advised];
        if (k->plan.container_is_folder[container])
            continue;
        int fd = archive(k, k->plan.container_file[container]);
        if (fd >= 0)
            (void)posix_fadvise(fd, k->plan.offset[k->advised], k->plan.size[k->advised],
                                POSIX_FADV_WILLNEED);
    }
#else
    (void)k, (void)row, (void)stop;
#endif
}

static int read_image(fc_keep *k, int64_t row, uint8_t *to, size_t n)
{
    const fc_plan *plan = &k->plan;
    int32_t container = plan->container[row];
    int32_t file = plan->container_file[container];
    if (!plan->container_is_folder[container]) {
        int fd = archive(k, file);
        if (fd < 0) {
            k->error = errno;
            return FC_KEEP_OPEN;
        }
        int64_t began = nanoseconds();
        int result = read_at(k, fd, to, n, plan->offset[row]);
        judge(k, row, nanoseconds() - began, n);
        return result;
    }
    int fd = open_path(plan->path + plan->path_start[file],
                       (size_t)(plan->path_start[file + 1] - plan->path_start[file]),
                       plan->name + plan->name_start[row],
                       (size_t)(plan->name_start[row + 1] - plan->name_start[row]));
    struct stat now = {.st_mode = S_IFREG};
    if (fd < 0) {
        k->error = errno;
        return FC_KEEP_OPEN;
    }
    int result = FC_KEEP_DONE;
    if (fstat(fd, &now) < 0 || !S_ISREG(now.st_mode)) {
        k->error = S_ISREG(now.st_mode) ? errno : EINVAL;
        result = FC_KEEP_READ;
    } else if ((int64_t)now.st_size != (int64_t)n) {
        k->found_bytes = (int64_t)now.st_size;
        result = FC_KEEP_CHANGED;
    } else {
        result = read_at(k, fd, to, n, 0);
    }
    close(fd);
    return result;
}

/* ---- the loop ----------------------------------------------------------------------------- */

static int keep_row(fc_keep *k, int64_t row)
{
    size_t n = (size_t)k->plan.size[row];
    uint8_t *frame = fc_output_reserve(k->out, frame_bytes_max(k, row, n));
    if (!frame)
        return FC_KEEP_WRITE;
    /* Where the bytes belong if both sides take two bytes as a varint: 128 to 16,383 pixels. */
    uint8_t *image = frame + FC_FRAME_HEAD +
                     size_before(&k->schema, n, size_rest(k, row, 128, 128));
    k->image = image;
    k->image_bytes = n;
    int result = read_image(k, row, image, n);
    if (result != FC_KEEP_DONE)
        return result;
    k->jpeg_status = fc_jpeg_scan(image, n, &k->jpeg);
    if (k->jpeg_status == FC_JPEG_FOREIGN)
        return FC_KEEP_FOREIGN;
    if (k->jpeg_status != FC_JPEG_OK)
        return FC_KEEP_BAD;
    if (k->jpeg.components == 4)
        return FC_KEEP_FOREIGN;
    return finish(k, row, frame, image, n, k->jpeg.height, k->jpeg.width);
}

int fc_keep_run(fc_keep *keep, int64_t *row, int64_t stop)
{
    for (; *row < stop; ++*row) {
        keep->board[FC_BOARD_ROW] = *row;
        announce(keep, *row, stop);
        int result = keep_row(keep, *row);
        if (result != FC_KEEP_DONE)
            return result;
    }
    return FC_KEEP_DONE;
}
