#include "tar_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grown_impl.h"

enum { BLOCK = 512, WINDOW = 64 * 1024, SMALL = 8 * 1024 };
enum { NAME = 0, SIZE = 124, CHECKSUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345,
       SPARSE_MORE = 482, SPARSE_MAP_MORE = 504 };

typedef struct {
    int fd;
    int64_t end;              /* of the archive in the file */
    int64_t at, bytes;        /* what of the file stands in the window */
    size_t read_bytes;
    uint8_t window[WINDOW];
} reader;

/* n <= BLOCK bytes at `offset`, in the window; NULL with *result set where they cannot be had. */
static const uint8_t *view(reader *r, int64_t offset, int64_t n, int *result, int *error)
{
    if (offset >= r->at && offset + n <= r->at + r->bytes)
        return r->window + (offset - r->at);
    size_t want = r->read_bytes, done = 0;
    if ((int64_t)want > r->end - offset)
        want = (size_t)(r->end - offset);
    while (done < want) {
        ssize_t got = pread(r->fd, r->window + done, want - done, (off_t)(offset + (int64_t)done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *error = errno;
            *result = FC_TAR_READ;
            return NULL;
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    r->at = offset;
    r->bytes = (int64_t)done;
    if (r->bytes < n) {
        *result = FC_TAR_CUT;
        return NULL;
    }
    return r->window;
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

/* What a long-name or pax header says of the member behind it. */
typedef struct {
    uint8_t *name;
    size_t name_bytes, capacity;
    int has_name, sparse;
    int64_t size; /* -1: the header's own */
} extra;

static int set_name(extra *x, const uint8_t *name, size_t n)
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
static int parse_pax(extra *x, const uint8_t *p, size_t n)
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

static int read_extra(extra *x, reader *r, uint8_t type, int64_t offset, int64_t size, int *error)
{
    if (size > FC_TAR_EXTRA_MAX)
        return FC_TAR_LONG;
    uint8_t *data = malloc((size_t)size + 1);
    if (!data)
        return FC_TAR_MEMORY;
    int result = FC_TAR_OK;
    for (int64_t done = 0; done < size; done += BLOCK) {
        int64_t n = size - done < BLOCK ? size - done : BLOCK;
        const uint8_t *p = view(r, offset + done, n, &result, error);
        if (!p)
            break;
        memcpy(data + done, p, (size_t)n);
    }
    data[size] = 0;
    if (result == FC_TAR_OK && type == 'L')
        result = set_name(x, data, strlen((char *)data));
    else if (result == FC_TAR_OK)
        result = parse_pax(x, data, (size_t)size);
    free(data);
    return result;
}

/* A global header may say what is of no interest here. What it says of names and sizes would be
   of all members: no writer means that, and readers do not agree on it. */
static int check_global(reader *r, int64_t offset, int64_t size, int *error)
{
    extra x = {.size = -1};
    int result = read_extra(&x, r, 'g', offset, size, error);
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

/* GNU's own sparse members carry on their map in blocks between header and data. */
static int skip_sparse_map(reader *r, const uint8_t *h, int64_t *data, int *error)
{
    int result = FC_TAR_OK;
    for (int more = h[SPARSE_MORE]; more; *data += BLOCK) {
        const uint8_t *map = view(r, *data, BLOCK, &result, error);
        if (!map)
            return result;
        more = map[SPARSE_MAP_MORE];
    }
    return FC_TAR_OK;
}

/* What follows the end mark at t->at. */
static int check_behind(fc_tar *t, reader *r)
{
    int result = FC_TAR_OK;
    if (r->end - t->at > FC_TAR_BEHIND_MAX)
        return FC_TAR_BEHIND;
    r->read_bytes = WINDOW;
    for (int64_t at = t->at; r->end - at >= BLOCK; at += BLOCK) {
        const uint8_t *h = view(r, at, BLOCK, &result, &t->error);
        if (!h)
            return result;
        if (!is_zero(h) && checksum_holds(h)) {
            t->at = at;
            return FC_TAR_BEHIND;
        }
    }
    return FC_TAR_OK;
}

static int is_extension(uint8_t type)
{
    return type == 'x' || type == 'X' || type == 'g' || type == 'L' || type == 'K';
}

static int scan(fc_tar *t, reader *r, extra *x)
{
    int result = FC_TAR_OK;
    while (r->end - t->at >= BLOCK) {
        if (*t->stop)
            return FC_TAR_STOPPED;
        const uint8_t *h = view(r, t->at, BLOCK, &result, &t->error);
        if (!h)
            return result;
        if (is_zero(h))
            return check_behind(t, r);
        if (!checksum_holds(h))
            return FC_TAR_CHECKSUM;
        uint8_t name[256], type = h[TYPE];
        size_t name_bytes = plain_name(h, name);
        int64_t size = number(h + SIZE, 12);
        if (x->size >= 0 && !is_extension(type))
            size = x->size;
        if (size < 0)
            return FC_TAR_NUMBER;
        if (!has_data(type))
            size = 0;
        int64_t data = t->at + BLOCK;
        if (type == 'S' && (result = skip_sparse_map(r, h, &data, &t->error)))
            return result;
        int cut = size > r->end - data;
        if (is_extension(type)) {
            if (!cut && type == 'g')
                result = check_global(r, data, size, &t->error);
            else if (!cut && type != 'K')
                result = read_extra(x, r, type, data, size, &t->error);
        } else {
            if (type == 0 || type == '7')
                type = '0';
            if (x->sparse)
                type = 'S';
            /* v7 knew no folders but a slash at the end. */
            size_t last = x->has_name ? x->name_bytes : name_bytes;
            const uint8_t *whole = x->has_name ? x->name : name;
            if (last > FC_TAR_NAME_MAX || memchr(whole, 0, last))
                return FC_TAR_NAME;
            if (type == '0' && last && whole[last - 1] == '/')
                type = '5';
            result = add(t, whole, last, data, size, type);
            x->has_name = x->sparse = 0;
            x->size = -1;
        }
        if (result != FC_TAR_OK)
            return result;
        if (cut)
            return FC_TAR_CUT;
        int64_t step = (size + BLOCK - 1) / BLOCK * BLOCK;
        r->read_bytes = step < SMALL ? WINDOW : BLOCK;
        t->at = data + step;
    }
    return r->end - t->at > 0 ? FC_TAR_CUT : FC_TAR_NO_END;
}

int fc_tar_scan(fc_tar *tar, int fd, int64_t begin, int64_t end, const volatile int *stop)
{
    memset(tar, 0, sizeof *tar);
    reader *r = malloc(sizeof *r);
    if (!r)
        return FC_TAR_MEMORY;
    r->fd = fd;
    r->end = end;
    r->at = r->bytes = 0;
    r->read_bytes = BLOCK;
    extra x = {.size = -1};
    tar->at = begin;
    tar->stop = stop;
    int result = scan(tar, r, &x);
    free(x.name);
    free(r);
    return result;
}

void fc_tar_free(fc_tar *tar)
{
    free(tar->offset);
    free(tar->size);
    free(tar->type);
    free(tar->name_end);
    free(tar->names);
    memset(tar, 0, sizeof *tar);
}
