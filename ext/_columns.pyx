"""What NumPy has no fast word for: rows of names gathered, and two columns of names matched."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset


def gather(const uint8_t[::1] blob not None, const int64_t[::1] starts not None,
           const int64_t[::1] order not None):
    """Names `order` of a CSR column, as (blob, int64 starts) in bytes."""
    cdef Py_ssize_t n = order.shape[0], i
    cdef int64_t total = 0, size, row
    cdef bytes new_starts = PyBytes_FromStringAndSize(NULL, 8 * (n + 1))
    cdef int64_t *start = <int64_t *>PyBytes_AS_STRING(new_starts)
    cdef bytes new_blob
    cdef char *p
    start[0] = 0
    for i in range(n):
        total += starts[order[i] + 1] - starts[order[i]]
        start[i + 1] = total
    new_blob = PyBytes_FromStringAndSize(NULL, total)
    p = PyBytes_AS_STRING(new_blob)
    with nogil:
        for i in range(n):
            row = order[i]
            size = starts[row + 1] - starts[row]
            if size:
                memcpy(p + start[i], &blob[starts[row]], <size_t>size)
    return new_blob, new_starts


cdef inline int64_t stem_size(const uint8_t *name, int64_t size) noexcept nogil:
    """Bytes before the last dot; all of them where it is the first byte or there is none."""
    cdef int64_t i = size - 1
    while i > 0:
        if name[i] == 46:
            return i
        i -= 1
    return size


def stem_sizes(const uint8_t[::1] blob not None, const int64_t[::1] starts not None):
    """Bytes of each name without its extension, int64 in bytes."""
    cdef Py_ssize_t n = starts.shape[0] - 1, i
    cdef bytes result = PyBytes_FromStringAndSize(NULL, 8 * n)
    cdef int64_t *out = <int64_t *>PyBytes_AS_STRING(result)
    for i in range(n):
        if starts[i + 1] > starts[i]:
            out[i] = stem_size(&blob[starts[i]], starts[i + 1] - starts[i])
        else:
            out[i] = 0
    return result


cdef inline uint64_t hash_key(const uint8_t *p, int64_t n, int32_t group) noexcept nogil:
    cdef uint64_t h = 14695981039346656037ULL ^ (<uint64_t><int64_t>group * 0x9E3779B97F4A7C15ULL)
    cdef int64_t i
    for i in range(n):
        h = (h ^ p[i]) * 1099511628211ULL
    return h ^ (h >> 29)


cdef inline bint same_bytes(const uint8_t *a, const uint8_t *b, int64_t n) noexcept nogil:
    return n == 0 or memcmp(a, b, <size_t>n) == 0  # names of no bytes may be nowhere at all


def match(const uint8_t[::1] blob not None, const int64_t[::1] starts not None,
          const int64_t[::1] sizes not None, const int32_t[::1] groups not None,
          const uint8_t[::1] other not None, const int64_t[::1] other_starts not None,
          const int64_t[::1] other_sizes not None, const int32_t[::1] other_groups not None):
    """For each name of the first column, the last row of the other with its bytes and group.

    Names begin at starts[i] and have sizes[i] bytes. int32 in bytes; -1 where there is none.
    """
    cdef Py_ssize_t n = sizes.shape[0], m = other_sizes.shape[0], i
    cdef uint64_t slots = 16, at
    cdef int32_t row
    cdef const uint8_t *p = &blob[0] if blob.shape[0] else NULL
    cdef const uint8_t *q = &other[0] if other.shape[0] else NULL
    while slots < <uint64_t>m * 2:
        slots *= 2
    cdef int32_t *table = <int32_t *>malloc(slots * sizeof(int32_t))
    if table == NULL:
        raise MemoryError
    cdef bytes result = PyBytes_FromStringAndSize(NULL, 4 * n)
    cdef int32_t *out = <int32_t *>PyBytes_AS_STRING(result)
    with nogil:
        memset(table, 0xFF, slots * sizeof(int32_t))
        for i in range(m):
            at = hash_key(q + other_starts[i], other_sizes[i], other_groups[i]) & (slots - 1)
            while True:
                row = table[at]
                if row < 0 or (other_groups[row] == other_groups[i]
                               and other_sizes[row] == other_sizes[i]
                               and same_bytes(q + other_starts[row], q + other_starts[i],
                                              other_sizes[i])):
                    table[at] = <int32_t>i
                    break
                at = (at + 1) & (slots - 1)
        for i in range(n):
            at = hash_key(p + starts[i], sizes[i], groups[i]) & (slots - 1)
            while True:
                row = table[at]
                if row < 0 or (other_groups[row] == groups[i] and other_sizes[row] == sizes[i]
                               and same_bytes(q + other_starts[row], p + starts[i], sizes[i])):
                    out[i] = row
                    break
                at = (at + 1) & (slots - 1)
    free(table)
    return result


def padded(const uint8_t[::1] blob not None, const int64_t[::1] starts not None, int64_t words):
    """Names as `words` big-endian uint64 each, cut or filled with zeros: for sorting bytewise.

    Returns bytes that hold uint64 of shape (words, n) in the machine's own order.
    """
    cdef Py_ssize_t n = starts.shape[0] - 1, i
    cdef int64_t word, k, size, at
    cdef uint64_t value
    cdef bytes result = PyBytes_FromStringAndSize(NULL, 8 * n * words)
    cdef uint64_t *out = <uint64_t *>PyBytes_AS_STRING(result)
    with nogil:
        for i in range(n):
            size = starts[i + 1] - starts[i]
            for word in range(words):
                value = 0
                for k in range(8):
                    at = 8 * word + k
                    value = value << 8 | (blob[starts[i] + at] if at < size else 0)
                out[word * n + i] = value
    return result


def shuffle(int64_t[::1] order not None, int64_t at, const uint32_t[::1] words not None):
    """Go on with random.Random.shuffle of `order` at index `at`, drawing from 32-bit `words`.

    CPython draws an index below k as getrandbits(k's bits), again where that is not below k, and
    getrandbits of 32 bits or less is the top of the generator's next word. Returns the index to go
    on at with more words; 0 when all is done.
    """
    cdef Py_ssize_t used = 0, count = words.shape[0]
    cdef int bits = 0
    cdef uint32_t draw
    cdef int64_t kept
    with nogil:
        while at > 0:
            bits = 0
            while (at + 1) >> bits:
                bits += 1
            while True:
                if used == count:
                    break
                draw = words[used] >> (32 - bits)
                used += 1
                if <int64_t>draw <= at:
                    kept = order[at]
                    order[at] = order[draw]
                    order[draw] = kept
                    at -= 1
                    break
            if used == count:
                break
    return at
