#include "tar_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grown_impl.h"

enum { BLOCK = 512, SMALL = 8 * 1024 };
enum { NAME = 0, SIZE = 124, CHECKSUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345,
       SPARSE_MORE = 482, SPARSE_MAP_MORE = 504 };

/* n <= BLOCK bytes at `offset`, in the window; NULL with t->need set where they are not in it. */
static const uint8_t *view(fc_tar *t, int64_t offset, int64_t n)
{
    if (offset >= t->window_at && offset + n <= t->window_at + t->window_bytes)
        return t->window + (offset - t->window_at);
    t->need_at = offset;
    t->need_bytes = n;
    return NULL;
}

/* Octal digits, or GNU's base 256 for what is larger. -1 where it is neither, or over 2^62. */
static int64_t number(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    if (p[0] & 0x80) {
        if (p[0] != 0x80)
            return -1;
        for (size_t i = 1; i < n; i++) {
            if (v >> 54)
                return -1;
            v = v << 8 | p[i];
        }
        return (int64_t)v;
    }
    size_t i = 0;
    while (i < n && p[i] == ' ')
        i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(p[i] - '0');
    return i == n || p[i] == ' ' || p[i] == 0 ? (int64_t)v : -1;
}

static int checksum_holds(const uint8_t *h)
{
    int64_t unsigned_sum = 0, signed_sum = 0;
    for (int i = 0; i < BLOCK; i++) {
        uint8_t b = i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : h[i];
        unsigned_sum += b;
        signed_sum += (int8_t)b; /* what some old writers summed */
    }
    int64_t said = number(h + CHECKSUM, 8);
    return said == unsigned_sum || said == signed_sum;
}

static int is_zero(const uint8_t *h)
{
    for (int i = 0; i < BLOCK; i += 8) {
        uint64_t v;
        memcpy(&v, h + i, 8);
        if (v)
            return 0;
    }
    return 1;
}

static int add(fc_tar *t, const uint8_t *name, size_t name_bytes, int64_t offset, int64_t size,
               uint8_t type)
{
    if (t->count == t->capacity) {
        size_t wanted = t->capacity ? 2 * t->capacity : 256;
        int64_t *offsets = realloc(t->offset, wanted * sizeof *offsets);
        if (offsets)
            t->offset = offsets;
        int64_t *sizes = realloc(t->size, wanted * sizeof *sizes);
        if (sizes)
            t->size = sizes;
        int64_t *ends = realloc(t->name_end, wanted * sizeof *ends);
        if (ends)
            t->name_end = ends;
        uint8_t *types = realloc(t->type, wanted);
        if (types)
            t->type = types;
        if (!offsets || !sizes || !ends || !types)
            return FC_TAR_MEMORY;
        t->capacity = wanted;
    }
    uint8_t *names = fc_grown(t->names, &t->names_capacity, t->names_bytes + name_bytes + 1);
    if (!names)
        return FC_TAR_MEMORY;
    t->names = names;
    memcpy(names + t->names_bytes, name, name_bytes);
    t->names_bytes += name_bytes;
    t->offset[t->count] = offset;
    t->size[t->count] = size;
    t->type[t->count] = type;
    t->name_end[t->count] = (int64_t)t->names_bytes;
    t->count++;
    return FC_TAR_OK;
}

static int set_name(fc_tar_extra *x, const uint8_t *name, size_t n)
{
    uint8_t *room = fc_grown(x->name, &x->capacity, n + 1);
    if (!room)
        return FC_TAR_MEMORY;
    x->name = room;
    memcpy(room, name, n);
    x->name_bytes = n;
    x->has_name = 1;
    return FC_TAR_OK;
}

static int is_key(const uint8_t *p, size_t n, const char *key)
{
    return n == strlen(key) && memcmp(p, key, n) == 0;
}

/* Records "<length> <key>=<value>\n", the length counting all of it. */
static int parse_pax(fc_tar_extra *x, const uint8_t *p, size_t n)
{
    size_t at = 0;
    while (at < n && p[at]) {
        size_t length = 0, i = at;
        for (; i < n && p[i] >= '0' && p[i] <= '9' && length <= n; i++)
            length = 10 * length + (size_t)(p[i] - '0');
        if (i == at || i >= n || p[i] != ' ' || length > n - at || at + length < i + 3 ||
            p[at + length - 1] != '\n')
            return FC_TAR_PAX;
        const uint8_t *key = p + i + 1, *stop = p + at + length - 1;
        const uint8_t *equals = memchr(key, '=', (size_t)(stop - key));
        if (!equals)
            return FC_TAR_PAX;
        const uint8_t *value = equals + 1;
        size_t key_bytes = (size_t)(equals - key), value_bytes = (size_t)(stop - value);
        if (is_key(key, key_bytes, "path")) {
            if (set_name(x, value, value_bytes))
                return FC_TAR_MEMORY;
            x->has_name = value_bytes > 0; /* an empty value takes back what was said before */
        } else if (is_key(key, key_bytes, "size")) {
            int64_t size = value_bytes ? 0 : -1;
            for (const uint8_t *d = value; d < stop; d++) {
                if (*d < '0' || *d > '9' || size >> 58)
                    return FC_TAR_NUMBER;
                size = 10 * size + (*d - '0');
            }
            x->size = size;
        } else if (key_bytes > 11 && memcmp(key, "GNU.sparse.", 11) == 0) {
            x->sparse = 1;
        }
        at += length;
    }
    return FC_TAR_OK;
}

/* The data of an extended header, block by block as windows come; then what it says. */
static int read_extra(fc_tar *t)
{
    fc_tar_member *m = &t->member;
    for (; m->done < m->size; m->done += BLOCK) {
        int64_t n = m->size - m->done < BLOCK ? m->size - m->done : BLOCK;
        const uint8_t *p = view(t, m->data + m->done, n);
        if (!p)
            return FC_TAR_NEED;
        memcpy(m->text + m->done, p, (size_t)n);
    }
    m->text[m->size] = 0;
    if (m->type == 'L')
        return set_name(&t->extra, m->text, strlen((char *)m->text));
    if (m->type != 'g')
        return parse_pax(&t->extra, m->text, (size_t)m->size);
    /* A global header may say what is of no interest here. What it says of names and sizes would
       be of all members: no writer means that, and readers do not agree on it. */
    fc_tar_extra x = {.size = -1};
    int result = parse_pax(&x, m->text, (size_t)m->size);
    if (result == FC_TAR_OK && (x.has_name || x.sparse || x.size >= 0))
        result = FC_TAR_GLOBAL;
    free(x.name);
    return result;
}

/* ustar keeps what does not fit into the name's 100 bytes in a prefix. */
static size_t plain_name(const uint8_t *h, uint8_t *name)
{
    size_t n = 0;
    if (memcmp(h + MAGIC, "ustar\0", 6) == 0 && h[PREFIX]) {
        n = strnlen((const char *)h + PREFIX, 155);
        memcpy(name, h + PREFIX, n);
        name[n++] = '/';
    }
    size_t last = strnlen((const char *)h + NAME, 100);
    memcpy(name + n, h + NAME, last);
    return n + last;
}

/* Data that a link, folder or device claims to have is not there. */
static int has_data(uint8_t type)
{
    return !(type >= '1' && type <= '6');
}

static int is_extension(uint8_t type)
{
    return type == 'x' || type == 'X' || type == 'g' || type == 'L' || type == 'K';
}

/* ---- the scan -------------------------------------------------------------------------------

   What is under way stands in the fc_tar alone, so that it goes on where it was as soon as there
   is a window with the bytes that it needs; it never needs more than a block at once. */

enum { AT_HEADER = 0, IN_MAP, AT_DATA, IN_EXTRA, BEHIND };

static int read_header(fc_tar *t)
{
    fc_tar_member *m = &t->member;
    if (t->end - t->at < BLOCK)
        return t->end - t->at > 0 ? FC_TAR_CUT : FC_TAR_NO_END;
    if (*t->stop)
        return FC_TAR_STOPPED;
    const uint8_t *h = view(t, t->at, BLOCK);
    if (!h)
        return FC_TAR_NEED;
    if (is_zero(h)) {
        if (t->end - t->at > FC_TAR_BEHIND_MAX)
            return FC_TAR_BEHIND;
        t->read_bytes = FC_TAR_WINDOW;
        m->data = t->at;
        t->phase = BEHIND;
        return FC_TAR_OK;
    }
    if (!checksum_holds(h))
        return FC_TAR_CHECKSUM;
    m->type = h[TYPE];
    m->name_bytes = plain_name(h, m->name);
    m->size = number(h + SIZE, 12);
    if (t->extra.size >= 0 && !is_extension(m->type))
        m->size = t->extra.size;
    if (m->size < 0)
        return FC_TAR_NUMBER;
    if (!has_data(m->type))
        m->size = 0;
    m->data = t->at + BLOCK;
    m->more = m->type == 'S' ? h[SPARSE_MORE] : 0;
    t->phase = IN_MAP;
    return FC_TAR_OK;
}

/* GNU's own sparse members carry on their map in blocks between header and data. */
static int skip_sparse_map(fc_tar *t)
{
    fc_tar_member *m = &t->member;
    for (; m->more; m->data += BLOCK) {
        if (t->end - m->data < BLOCK)
            return FC_TAR_CUT;
        const uint8_t *map = view(t, m->data, BLOCK);
        if (!map)
            return FC_TAR_NEED;
        m->more = map[SPARSE_MAP_MORE];
    }
    t->phase = AT_DATA;
    return FC_TAR_OK;
}

static int go_on(fc_tar *t)
{
    int64_t step = (t->member.size + BLOCK - 1) / BLOCK * BLOCK;
    t->read_bytes = step < SMALL ? FC_TAR_WINDOW : BLOCK;
    t->at = t->member.data + step;
    t->phase = AT_HEADER;
    return FC_TAR_OK;
}

static int take_member(fc_tar *t)
{
    fc_tar_member *m = &t->member;
    fc_tar_extra *x = &t->extra;
    int cut = m->size > t->end - m->data;
    if (is_extension(m->type)) {
        if (cut)
            return FC_TAR_CUT;
        if (m->type == 'K')
            return go_on(t);
        if (m->size > FC_TAR_EXTRA_MAX)
            return FC_TAR_LONG;
        uint8_t *text = fc_grown(m->text, &m->text_capacity, (size_t)m->size + 1);
        if (!text)
            return FC_TAR_MEMORY;
        m->text = text;
        m->done = 0;
        t->phase = IN_EXTRA;
        return FC_TAR_OK;
    }
    uint8_t type = m->type;
    if (type == 0 || type == '7')
        type = '0';
    if (x->sparse)
        type = 'S';
    /* v7 knew no folders but a slash at the end. */
    size_t last = x->has_name ? x->name_bytes : m->name_bytes;
    const uint8_t *whole = x->has_name ? x->name : m->name;
    if (last > FC_TAR_NAME_MAX || memchr(whole, 0, last))
        return FC_TAR_NAME;
    if (type == '0' && last && whole[last - 1] == '/')
        type = '5';
    int result = add(t, whole, last, m->data, m->size, type);
    if (result != FC_TAR_OK)
        return result;
    x->has_name = x->sparse = 0;
    x->size = -1;
    return cut ? FC_TAR_CUT : go_on(t);
}

/* What follows the end mark at t->at. */
static int check_behind(fc_tar *t)
{
    for (int64_t *at = &t->member.data; t->end - *at >= BLOCK; *at += BLOCK) {
        const uint8_t *h = view(t, *at, BLOCK);
        if (!h)
            return FC_TAR_NEED;
        if (!is_zero(h) && checksum_holds(h)) {
            t->at = *at;
            return FC_TAR_BEHIND;
        }
    }
    return FC_TAR_OK;
}

static void let_go(fc_tar *t)
{
    free(t->extra.name);
    free(t->member.text);
    t->extra.name = t->member.text = NULL;
    t->extra.capacity = t->member.text_capacity = 0;
}

void fc_tar_begin(fc_tar *tar, int64_t begin, int64_t end, const volatile int *stop)
{
    memset(tar, 0, sizeof *tar);
    tar->at = begin;
    tar->end = end;
    tar->stop = stop;
    tar->read_bytes = BLOCK;
    tar->extra.size = -1;
}

int fc_tar_feed(fc_tar *tar, const uint8_t *window, int64_t at, int64_t bytes)
{
    int result = FC_TAR_OK;
    tar->window = window;
    tar->window_at = at;
    tar->window_bytes = bytes;
    while (result == FC_TAR_OK) {
        switch (tar->phase) {
        case AT_HEADER:
            result = read_header(tar);
            break;
        case IN_MAP:
            result = skip_sparse_map(tar);
            break;
        case AT_DATA:
            result = take_member(tar);
            break;
        case IN_EXTRA:
            result = read_extra(tar);
            if (result == FC_TAR_OK)
                result = go_on(tar);
            break;
        default:
            result = check_behind(tar);
            if (result != FC_TAR_OK)
                break;
            let_go(tar);
            return FC_TAR_OK;
        }
    }
    if (result != FC_TAR_NEED)
        let_go(tar);
    return result;
}

/* What an fd has from where bytes are needed, in the window. */
static int refill(fc_tar *t, int fd, uint8_t *window, int64_t *bytes)
{
    size_t want = t->read_bytes, done = 0;
    if ((int64_t)want > t->end - t->need_at)
        want = (size_t)(t->end - t->need_at);
    while (done < want) {
        ssize_t got = pread(fd, window + done, want - done, (off_t)(t->need_at + (int64_t)done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            t->error = errno;
            return FC_TAR_READ;
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *bytes = (int64_t)done;
    return *bytes < t->need_bytes ? FC_TAR_CUT : FC_TAR_OK;
}

int fc_tar_scan(fc_tar *tar, int fd, int64_t begin, int64_t end, const volatile int *stop)
{
    fc_tar_begin(tar, begin, end, stop);
    uint8_t *window = malloc(FC_TAR_WINDOW);
    if (!window)
        return FC_TAR_MEMORY;
    int64_t bytes = 0;
    int result;
    while ((result = fc_tar_feed(tar, window, tar->need_at, bytes)) == FC_TAR_NEED)
        if ((result = refill(tar, fd, window, &bytes)) != FC_TAR_OK)
            break;
    let_go(tar);
    free(window);
    return result;
}

void fc_tar_free(fc_tar *tar)
{
    let_go(tar);
    free(tar->offset);
    free(tar->size);
    free(tar->type);
    free(tar->name_end);
    free(tar->names);
    memset(tar, 0, sizeof *tar);
}
