"""TFRecord frames, their checksum, and tf.train.Example, written by C.

The formats: docs/formats.md, "TFRecord" and "Example".
"""

from os import strerror

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef extern from "crc32c_impl.h":
    void fc_crc32c_init() nogil
    uint32_t fc_crc32c(uint32_t crc, const void *p, size_t n) nogil
    uint32_t fc_crc32c_join(uint32_t crc_a, uint32_t crc_b, uint64_t size_b) nogil
    uint32_t fc_crc32c_mask(uint32_t crc) nogil
    const char *fc_crc32c_kernel()
    int fc_crc32c_force(const char *name)

cdef extern from "example_impl.h":
    enum:
        FC_TAG1, FC_BYTES, FC_FLOATS, FC_INT64S
    size_t fc_size_varint(uint64_t v) nogil
    uint8_t *fc_put_varint(uint8_t *p, uint64_t v) nogil
    size_t fc_size_field(size_t n) nogil
    uint8_t *fc_put_head(uint8_t *p, uint8_t tag, size_t n) nogil
    uint8_t *fc_put_bytes(uint8_t *p, uint8_t tag, const void *data, size_t n) nogil
    size_t fc_size_entry(size_t key_bytes, size_t list_bytes) nogil
    uint8_t *fc_put_entry(uint8_t *p, const char *key, size_t key_bytes, uint8_t kind,
                          size_t list_bytes) nogil
    size_t fc_size_packed(size_t n) nogil

fc_crc32c_init()


def crc32c(const uint8_t[::1] data not None, uint32_t crc=0):
    """CRC32C of `data`, going on from `crc`, the CRC of what came before it."""
    cdef const uint8_t *p = &data[0] if data.shape[0] else NULL
    cdef size_t n = <size_t>data.shape[0]
    with nogil:
        crc = fc_crc32c(crc, p, n)
    return crc


def crc32c_join(uint32_t crc_a, uint32_t crc_b, uint64_t size_b):
    """CRC32C of A followed by B, from the CRC of each and the bytes of B."""
    return fc_crc32c_join(crc_a, crc_b, size_b)


def masked_crc32c(data):
    """The masked CRC32C of a bytes-like object, as TFRecord frames hold it.

    ``((crc >> 15 | crc << 17) + 0xA282EAD8) mod 2**32`` of the CRC32C (Castagnoli) of its bytes.
    """
    return fc_crc32c_mask(crc32c(memoryview(data).cast("B")))


def crc32c_kernel():
    """Name of the checksum kernel in use: the machine's own instruction, or "table"."""
    return fc_crc32c_kernel().decode()


def force_crc32c_kernel(str name not None):
    """Use the kernel of that name; ValueError where this machine has none."""
    if fc_crc32c_force(name.encode()) < 0:
        raise ValueError(f"this machine has no CRC32C kernel {name!r}")


cdef class RecordFile:
    """Frames payloads into an open file descriptor, which stays the caller's.

    Keeps the CRC32C of all bytes written and the index (a line ``<offset> <size>`` a record).
    Raises OSError where the system refuses a write.
    """

    def __cinit__(self, int fd, size_t flush_bytes=1 << 20):
        fc_output_init(&self.out, fd, flush_bytes)

    def __dealloc__(self):
        fc_output_free(&self.out)

    def append(self, const uint8_t[::1] payload not None):
        """Write one record."""
        cdef size_t n = <size_t>payload.shape[0]
        cdef uint8_t *frame
        cdef int failed
        with nogil:
            frame = fc_output_reserve(&self.out, FC_FRAME_HEAD + n + FC_FRAME_TAIL)
            failed = frame == NULL
            if not failed:
                if n:
                    memcpy(frame + FC_FRAME_HEAD, &payload[0], n)
                failed = fc_output_seal(&self.out, n)
        if failed:
            self.fail()

    def flush(self):
        """Hand what is buffered to the system."""
        cdef int failed
        with nogil:
            failed = fc_output_flush(&self.out)
        if failed:
            self.fail()

    def allocate(self, int64_t size):
        """Set so many bytes of disk aside, where the file system can. The file's size stays."""
        cdef int failed
        with nogil:
            failed = fc_output_allocate(&self.out, size)
        if failed:
            self.fail()

    def finish(self):
        """Hand over what is buffered, and wait until all of the file is on disk."""
        cdef int failed
        with nogil:
            failed = fc_output_finish(&self.out)
        if failed:
            self.fail()

    def fail(self):
        """Raise what went wrong last."""
        if self.out.error == 12:
            raise MemoryError
        raise OSError(self.out.error, strerror(self.out.error))

    @property
    def records(self):
        return self.out.records

    @property
    def bytes(self):
        """Bytes of the file so far, the buffered ones included."""
        return self.out.flushed + <int64_t>self.out.fill

    @property
    def crc32c(self):
        return self.out.crc

    def index(self):
        """The index lines so far."""
        return self.out.index[:self.out.index_bytes] if self.out.index_bytes else b""


# ---- Example from Python values --------------------------------------------------------------

cdef inline uint64_t as_varint(int64_t value) noexcept:
    return <uint64_t>value


def encode_entries(list features):
    """Map entries of (key: bytes, kind: str, values) laid one behind another, as bytes.

    kind is "bytes" (a list of bytes), "float" (bytes of packed float32) or "int64" (a list of int).
    Sized first, filled once.
    """
    cdef list lists = []
    cdef size_t total = 0, n
    cdef bytes key, item
    cdef uint8_t *p
    for key, kind, values in features:
        n = 0
        if kind == "bytes":
            for item in values:
                n += fc_size_field(len(item))
        elif kind == "float":
            n = fc_size_packed(len(<bytes>values))
        elif kind == "int64":
            for value in values:
                n += fc_size_varint(as_varint(value))
            n = fc_size_packed(n)
        else:
            raise ValueError(f"feature {key!r} has no kind that an Example knows: {kind!r}")
        lists.append(n)
        total += fc_size_entry(len(key), n)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>total)
    p = <uint8_t *>PyBytes_AS_STRING(result)
    for (key, kind, values), n in zip(features, lists):
        if kind == "bytes":
            p = fc_put_entry(p, key, len(key), FC_BYTES, n)
            for item in values:
                p = fc_put_bytes(p, FC_TAG1, <const char *>item, len(item))
        elif kind == "float":
            p = fc_put_entry(p, key, len(key), FC_FLOATS, n)
            if n:
                p = fc_put_bytes(p, FC_TAG1, <const char *>(<bytes>values), len(<bytes>values))
        else:
            p = fc_put_entry(p, key, len(key), FC_INT64S, n)
            if n:
                inside = 0
                for value in values:
                    inside += fc_size_varint(as_varint(value))
                p = fc_put_head(p, FC_TAG1, inside)
                for value in values:
                    p = fc_put_varint(p, as_varint(value))
    return result


cdef struct fc_column:
    const char *key
    size_t key_bytes
    uint8_t kind
    const int64_t *start     # of each row's values
    const int64_t *ints
    const uint8_t *octets    # float32 values, or texts one behind another
    const int64_t *text_start


cdef size_t size_list(const fc_column *c, int64_t row) noexcept nogil:
    """Bytes of the inside of a row's list."""
    cdef int64_t at, first = c.start[row], end = c.start[row + 1]
    cdef size_t n = 0
    if c.kind == FC_FLOATS:
        return fc_size_packed(4 * <size_t>(end - first))
    for at in range(first, end):
        if c.kind == FC_BYTES:
            n += fc_size_field(<size_t>(c.text_start[at + 1] - c.text_start[at]))
        else:
            n += fc_size_varint(<uint64_t>c.ints[at])
    return n if c.kind == FC_BYTES else fc_size_packed(n)


cdef uint8_t *put_row(uint8_t *p, const fc_column *c, int64_t row) noexcept nogil:
    cdef int64_t at, first = c.start[row], end = c.start[row + 1]
    cdef size_t n = 0
    p = fc_put_entry(p, c.key, c.key_bytes, c.kind, size_list(c, row))
    if c.kind == FC_BYTES:
        for at in range(first, end):
            p = fc_put_bytes(p, FC_TAG1, c.octets + c.text_start[at],
                             <size_t>(c.text_start[at + 1] - c.text_start[at]))
    elif first < end and c.kind == FC_FLOATS:
        p = fc_put_bytes(p, FC_TAG1, c.octets + 4 * first, 4 * <size_t>(end - first))
    elif first < end:
        for at in range(first, end):
            n += fc_size_varint(<uint64_t>c.ints[at])
        p = fc_put_head(p, FC_TAG1, n)
        for at in range(first, end):
            p = fc_put_varint(p, <uint64_t>c.ints[at])
    return p


cdef const int64_t *int64s(const int64_t[::1] view) noexcept:
    return &view[0] if view.shape[0] else NULL


cdef const uint8_t *octets(const uint8_t[::1] view) noexcept:
    return &view[0] if view.shape[0] else NULL


def encode_rows(list columns not None, const int64_t[::1] rows not None):
    """For each of `rows`, map entries of its values in these columns, one behind another, as
    (blob, int64 starts) in bytes.

    A column is (key: bytes, kind: str, starts: int64 of each row's values, values, text starts).
    Values are int64, float32 as uint8, or texts as uint8, each of which begins at its text start.
    """
    cdef Py_ssize_t n = rows.shape[0], i, k, count = len(columns)
    cdef dict kinds = {"bytes": FC_BYTES, "float": FC_FLOATS, "int64": FC_INT64S}
    cdef bytes starts = PyBytes_FromStringAndSize(NULL, 8 * (n + 1)), blob, key
    cdef int64_t *start = <int64_t *>PyBytes_AS_STRING(starts)
    cdef size_t total = 0
    cdef uint8_t *p
    cdef fc_column *column = <fc_column *>calloc(count + 1, sizeof(fc_column))
    if column == NULL:
        raise MemoryError
    try:
        for k in range(count):  # which hold on to what is pointed to
            key, kind, firsts, values, text_starts = columns[k]
            column[k].key, column[k].key_bytes = key, len(key)
            column[k].kind = kinds[kind]
            column[k].start = int64s(firsts)
            if kind == "int64":
                column[k].ints = int64s(values)
            else:
                column[k].octets = octets(values)
                column[k].text_start = int64s(text_starts) if kind == "bytes" else NULL
        with nogil:
            for i in range(n):
                start[i] = <int64_t>total
                for k in range(count):
                    total += fc_size_entry(column[k].key_bytes, size_list(&column[k], rows[i]))
            start[n] = <int64_t>total
        blob = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>total)
        p = <uint8_t *>PyBytes_AS_STRING(blob)
        with nogil:
            for i in range(n):
                for k in range(count):
                    p = put_row(p, &column[k], rows[i])
    finally:
        free(column)
    return blob, starts


def wrap_entries(bytes entries not None):
    """The Example whose feature map is these entries."""
    cdef size_t n = len(entries)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>fc_size_field(n))
    fc_put_bytes(<uint8_t *>PyBytes_AS_STRING(result), FC_TAG1, <const char *>entries, n)
    return result
