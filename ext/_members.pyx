"""Which members of a tar are images: one pass over its names, without a Python object a member."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

DEF_ENDINGS = (b"jpeg", b"jpg", b"jpe", b"jfif", b"png", b"gif", b"bmp", b"webp", b"tif", b"tiff")
IMAGE_ENDINGS = frozenset(DEF_ENDINGS)

cdef enum:
    ENDINGS = 10
    ENDING_MAX = 4
cdef char endings[ENDINGS][ENDING_MAX]
cdef int64_t ending_sizes[ENDINGS]
for _k, _ending in enumerate(DEF_ENDINGS):
    memcpy(&endings[_k][0], <const char *>(<bytes>_ending), len(_ending))
    ending_sizes[_k] = len(_ending)


cdef bint is_image(const uint8_t *p, int64_t n) noexcept nogil:
    """By its name: not hidden, and with an ending that an image may have, in any case."""
    cdef int64_t dot = n - 1, size
    cdef uint8_t low[ENDING_MAX]
    cdef int64_t k
    while dot > 0 and p[dot] != 46:
        dot -= 1
    size = n - dot - 1
    if dot <= 0 or p[0] == 46 or size > ENDING_MAX:
        return False
    for k in range(size):
        low[k] = p[dot + 1 + k] | 32 if 65 <= p[dot + 1 + k] <= 90 else p[dot + 1 + k]
    for k in range(ENDINGS):
        if ending_sizes[k] == size and memcmp(&endings[k][0], low, <size_t>size) == 0:
            return True
    return False


def is_image_name(bytes name not None):
    """Whether a base name is an image's, by its ending alone."""
    return is_image(<const uint8_t *><const char *>name, len(name))


def images(const uint8_t[::1] blob not None, const int64_t[::1] starts not None,
           const uint8_t[::1] types not None, clean not None):
    """The images among members with these names (CSR) and tar types.

    Returns (rows, places, folders, names, name_starts, replaced, links, others): the members that
    are images, as int64 in bytes; for each the row of its folder in the list `folders`, as int32;
    their base names in CSR form; how many members a later one of the same name replaced; how many
    have an image's name, but no bytes of their own; and how many files are no images by name.
    `clean` is called with each folder's path, as bytes, and gives it as it is to be known.
    """
    cdef Py_ssize_t n = types.shape[0], i
    cdef const uint8_t *p
    cdef int64_t size, cut, count = 0, total = 0, links = 0, others = 0, replaced = 0, kept = 0
    cdef int64_t last_at = 0, last_size = -1
    cdef int32_t place = 0
    cdef uint64_t slots = 16, at, h
    cdef int64_t row
    cdef dict known = {}
    cdef list folders = []
    while slots < <uint64_t>n * 2:
        slots *= 2
    cdef int64_t *member = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t *base = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int32_t *folder = <int32_t *>malloc((n + 1) * sizeof(int32_t))
    cdef int64_t *table = <int64_t *>calloc(slots, sizeof(int64_t))  # row + 1; 0 is free
    cdef bytes out_rows, out_places, out_names, out_starts
    cdef int64_t *out_row
    cdef int32_t *out_place
    cdef int64_t *out_start
    cdef char *out_name
    try:
        if member == NULL or base == NULL or folder == NULL or table == NULL:
            raise MemoryError
        for i in range(n):
            if types[i] == 53:  # '5', a folder
                continue
            p = &blob[0] + starts[i] if blob.shape[0] else NULL
            size = starts[i + 1] - starts[i]
            while size >= 2 and p[0] == 46 and p[1] == 47:
                p += 2
                size -= 2
            while size and p[0] == 47:
                p += 1
                size -= 1
            cut = size
            while cut and p[cut - 1] != 47:
                cut -= 1
            if not is_image(p + cut, size - cut):
                others += 1
                continue
            if types[i] != 48:  # '0', a file
                links += 1
                continue
            if cut != last_size or memcmp(p, &blob[0] + last_at, <size_t>cut) != 0:
                written = (<const char *>p)[:cut - 1 if cut else 0]
                if written not in known:
                    key = clean(written)
                    if key not in known:
                        known[key] = len(folders)
                        folders.append(key)
                    known[written] = known[key]
                place = known[written]
                last_at, last_size = p - &blob[0], cut
            h = 14695981039346656037ULL ^ <uint64_t>place
            for row in range(cut, size):
                h = (h ^ p[row]) * 1099511628211ULL
            at = (h ^ (h >> 29)) & (slots - 1)
            while table[at]:
                row = table[at] - 1
                if folder[row] == place and starts[member[row] + 1] - base[row] == size - cut \
                        and memcmp(&blob[0] + base[row], p + cut, <size_t>(size - cut)) == 0:
                    member[row] = -1
                    replaced += 1
                    break
                at = (at + 1) & (slots - 1)
            table[at] = count + 1
            member[count] = i
            base[count] = p + cut - &blob[0]
            folder[count] = place
            count += 1
        for row in range(count):
            if member[row] >= 0:
                kept += 1
                total += starts[member[row] + 1] - base[row]
        out_rows = PyBytes_FromStringAndSize(NULL, 8 * kept)
        out_places = PyBytes_FromStringAndSize(NULL, 4 * kept)
        out_starts = PyBytes_FromStringAndSize(NULL, 8 * (kept + 1))
        out_names = PyBytes_FromStringAndSize(NULL, total)
        out_row = <int64_t *>PyBytes_AS_STRING(out_rows)
        out_place = <int32_t *>PyBytes_AS_STRING(out_places)
        out_start = <int64_t *>PyBytes_AS_STRING(out_starts)
        out_name = PyBytes_AS_STRING(out_names)
        out_start[0] = 0
        kept = 0
        for row in range(count):
            if member[row] >= 0:
                size = starts[member[row] + 1] - base[row]
                memcpy(out_name + out_start[kept], &blob[0] + base[row], <size_t>size)
                out_row[kept] = member[row]
                out_place[kept] = folder[row]
                out_start[kept + 1] = out_start[kept] + size
                kept += 1
        return out_rows, out_places, folders, out_names, out_starts, replaced, links, others
    finally:
        free(member)
        free(base)
        free(folder)
        free(table)
