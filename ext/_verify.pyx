"""Walking through the records of a TFRecord file, each checked: see verify_impl.h.

Shares no code with what writes records. Checksums are the crc32c package's.
"""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove

import crc32c as _crc32c

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int fd, void *buffer, size_t count, int64_t offset)

cdef extern from "example_reader_impl.h":
    enum:
        FC_EXAMPLE_OK, FC_KIND_BYTES, FC_KIND_FLOAT, FC_KIND_INT64
    ctypedef struct fc_span:
        int64_t at, bytes
    ctypedef struct fc_feature:
        fc_span name
        int kind
        int64_t first, count
    ctypedef struct fc_example:
        fc_feature *features
        size_t feature_count
    void fc_example_init(fc_example *e)
    void fc_example_free(fc_example *e)
    int fc_example_read(fc_example *e, const uint8_t *payload, size_t bytes) nogil

cdef extern from "verify_impl.h":
    enum:
        FC_RULE_KEYS
    ctypedef struct fc_key:
        const char *name
        size_t bytes
        int kind, single
    ctypedef struct fc_rules:
        fc_key keys[15]
        const fc_key *added
        size_t added_count
        int64_t first_label, classes
        const uint8_t *names
        const int64_t *name_start
        int64_t *records
        int64_t *boxes
    int fc_jpeg_sides(const uint8_t *p, size_t bytes, int64_t *height, int64_t *width) nogil
    int fc_rules_hold(const fc_rules *rules, const fc_example *e, const uint8_t *payload) nogil
    void fc_join_init()
    uint32_t fc_joined(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b) nogil

fc_join_init()

# Why a walk ended.
WHOLE, READ, HEAD_CUT, HEAD_WRONG, CUT, SHRUNK = range(6)
# No Example is larger: protobuf's limit.
PAYLOAD_MAX = (1 << 31) - 1

cdef enum:
    HEAD = 12
    OVERHEAD = 16
    LINE = 48
    BUFFER = 512 << 10

cdef object crc_of = _crc32c.crc32c


cdef uint32_t crc(const uint8_t *p, size_t n) except? 0xFFFFFFFE:
    return <uint32_t>crc_of(PyMemoryView_FromMemory(<char *>p, <Py_ssize_t>n, PyBUF_READ))


cdef inline uint32_t masked(uint32_t value) noexcept:
    return ((value >> 15) | (value << 17)) + <uint32_t>0xA282EAD8


def jpeg_sides(const uint8_t[::1] data not None):
    """(height, width, components) of a JPEG by its frame header; components are 0 where it has none
    before its first scan."""
    cdef int64_t height = 0, width = 0
    cdef int components = 0
    if data.shape[0]:
        components = fc_jpeg_sides(&data[0], data.shape[0], &height, &width)
    return height, width, components


def outline(const uint8_t[::1] payload not None):
    """The names of an Example's features in the order of the wire, as bytes; None where it is no
    Example."""
    cdef fc_example e
    cdef size_t i
    cdef fc_span name
    fc_example_init(&e)
    try:
        if not payload.shape[0]:
            return []
        if fc_example_read(&e, &payload[0], payload.shape[0]) != FC_EXAMPLE_OK:
            return None
        names = []
        for i in range(e.feature_count):
            name = e.features[i].name
            names.append(bytes(payload[name.at:name.at + name.bytes]) if name.bytes else b"")
        return names
    finally:
        fc_example_free(&e)


cdef dict KINDS = {"bytes": FC_KIND_BYTES, "float": FC_KIND_FLOAT, "int64": FC_KIND_INT64}


cdef class Rules:
    """What records must hold: labels from ``first_label`` on, each with its class's name.

    ``keys``: slim's features in the order of fastconv.checking.rules.KINDS, as (stored name, kind,
    whether it has one value), the name b"" where the schema leaves one out; ``added``: further ones.
    """

    cdef fc_rules rules
    cdef bytes _names
    cdef list _keys
    cdef fc_key *_added
    cdef int64_t *_starts
    cdef int64_t _boxes

    def __cinit__(self, int64_t first_label, list names, list keys, list added):
        if len(keys) != FC_RULE_KEYS:
            raise ValueError("slim has fifteen features")
        self._keys = keys + added  # whose names are pointed to
        self._added = <fc_key *>calloc(len(added) + 1, sizeof(fc_key))
        if self._added == NULL:
            raise MemoryError
        for i, key in enumerate(keys):
            self.rules.keys[i] = self._key(key)
        for i, key in enumerate(added):
            self._added[i] = self._key(key)
        self.rules.added = self._added
        self.rules.added_count = len(added)
        self._names = b"".join(names)
        self._starts = <int64_t *>calloc(len(names) + 1, sizeof(int64_t))
        self.rules.records = <int64_t *>calloc(len(names) + 1, sizeof(int64_t))
        if self._starts == NULL or self.rules.records == NULL:
            raise MemoryError
        for i, name in enumerate(names):
            self._starts[i + 1] = self._starts[i] + len(name)
        self.rules.first_label = first_label
        self.rules.classes = len(names)
        self.rules.names = <const uint8_t *><const char *>self._names
        self.rules.name_start = self._starts
        self.rules.boxes = &self._boxes

    def __dealloc__(self):
        free(self._added)
        free(self._starts)
        free(self.rules.records)

    cdef fc_key _key(self, tuple key):
        cdef fc_key made
        made.name = <const char *>(<bytes>key[0])
        made.bytes = len(<bytes>key[0])
        made.kind = KINDS[key[1]]
        made.single = key[2]
        return made

    def hold(self, const uint8_t[::1] payload not None):
        """Whether a record is as it must be."""
        cdef fc_example e
        fc_example_init(&e)
        try:
            if not payload.shape[0]:
                return False
            if fc_example_read(&e, &payload[0], payload.shape[0]) != FC_EXAMPLE_OK:
                return False
            return bool(fc_rules_hold(&self.rules, &e, &payload[0]))
        finally:
            fc_example_free(&e)

    def taken(self):
        """({label: records that held}, their boxes) since the last call."""
        boxes, self._boxes = self._boxes, 0
        found = {}
        for i in range(self.rules.classes):
            if self.rules.records[i]:
                found[i + self.rules.first_label] = self.rules.records[i]
                self.rules.records[i] = 0
        return found, boxes


cdef class Walk:
    """A walk through the first ``end`` bytes of an open file.

    ``on_record(record, offset, payload, holds)`` is called for those that do not hold by the
    ``rules`` (for all, where these are None or ``every`` is true), the payload a memoryview that is
    of no use after the call; ``on_damage(record, offset, size)`` for those whose checksum is wrong or
    that are larger than an Example can be.
    """

    cdef readonly int64_t at, record, end, leaps
    cdef readonly uint32_t crc32c
    cdef readonly int error
    cdef int _fd
    cdef Rules _rules
    cdef bint _every
    cdef object _on_record, _on_damage
    cdef uint8_t *_buffer
    cdef size_t _capacity, _begin, _filled
    cdef int64_t _read_to
    cdef char *_lines
    cdef size_t _used, _room
    cdef fc_example _example

    def __cinit__(self, int fd, int64_t end, Rules rules, bint every, on_record, on_damage):
        self._fd, self.end, self._rules, self._every = fd, end, rules, every
        self._on_record, self._on_damage = on_record, on_damage
        self._capacity = BUFFER
        self._buffer = <uint8_t *>malloc(self._capacity)
        if self._buffer == NULL:
            raise MemoryError
        fc_example_init(&self._example)

    def __dealloc__(self):
        free(self._buffer)
        free(self._lines)
        fc_example_free(&self._example)

    @property
    def index(self):
        """The index of the records walked through: "<offset> <size of the whole frame>" lines."""
        return self._lines[:self._used] if self._used else b""

    def go_to(self, int64_t offset, int64_t record):
        """Go on somewhere else, behind what is no frame."""
        self.leaps += 1
        self._leap(offset, record)

    cdef void _leap(self, int64_t offset, int64_t record) noexcept:
        self.at, self.record = offset, record
        self._begin = self._filled = 0
        self._read_to = offset

    def run(self):
        """Walk on from ``at`` to the end, or to what is no frame. Returns why it stopped."""
        cdef uint64_t size
        cdef uint32_t told, head_crc, payload_crc
        cdef uint8_t *frame
        cdef int why
        while self.at < self.end:
            if self.end - self.at < HEAD:
                return HEAD_CUT
            why = self._fill(HEAD)
            if why:
                return why
            frame = self._buffer + self._begin
            memcpy(&size, frame, 8)
            memcpy(&told, frame + 8, 4)
            if masked(crc(frame, 8)) != told:
                return HEAD_WRONG
            if size > <uint64_t>(self.end - self.at) or self.end - self.at - <int64_t>size < OVERHEAD:
                return CUT
            self._line(size)
            if size > <uint64_t>PAYLOAD_MAX:
                self._on_damage(self.record, self.at, size)
                self._leap(self.at + <int64_t>size + OVERHEAD, self.record + 1)
                continue
            why = self._fill(<size_t>size + OVERHEAD)
            if why:
                return why
            frame = self._buffer + self._begin
            payload_crc = crc(frame + HEAD, size)
            memcpy(&told, frame + HEAD + size, 4)
            self.crc32c = fc_joined(self.crc32c, crc(frame, HEAD), HEAD)
            self.crc32c = fc_joined(self.crc32c, payload_crc, size)
            self.crc32c = fc_joined(self.crc32c, crc(frame + HEAD + size, 4), 4)
            if masked(payload_crc) != told:
                self._on_damage(self.record, self.at, size)
            else:
                self._check(frame + HEAD, size)
            self._begin += size + OVERHEAD
            self.at += <int64_t>size + OVERHEAD
            self.record += 1
        return WHOLE

    cdef int _check(self, const uint8_t *payload, size_t size) except -1:
        cdef int why = 1
        if self._rules is not None:
            with nogil:
                why = fc_example_read(&self._example, payload, size)
                if why == FC_EXAMPLE_OK:
                    why = not fc_rules_hold(&self._rules.rules, &self._example, payload)
            if not why and not self._every:
                return 0
        view = PyMemoryView_FromMemory(<char *>payload, <Py_ssize_t>size, PyBUF_READ)
        self._on_record(self.record, self.at, view, why == 0)
        return 0

    cdef int _line(self, uint64_t size) except -1:
        cdef char *larger
        if self._room - self._used < LINE:
            larger = <char *>realloc(self._lines, 2 * self._room + 65536)
            if larger == NULL:
                raise MemoryError
            self._lines = larger
            self._room = 2 * self._room + 65536
        self._used += <size_t>snprintf(self._lines + self._used, LINE, b"%lld %llu\n",
                                       <long long>self.at, <unsigned long long>(size + OVERHEAD))
        return 0

    cdef int _fill(self, size_t need) except -1:
        """Have that many bytes from `at` on in the buffer. Returns 0, READ or SHRUNK."""
        cdef ssize_t got = 0
        cdef size_t want
        cdef uint8_t *larger
        if self._filled - self._begin >= need:
            return 0
        if self._begin:
            memmove(self._buffer, self._buffer + self._begin, self._filled - self._begin)
            self._filled -= self._begin
            self._begin = 0
        if need > self._capacity:
            larger = <uint8_t *>realloc(self._buffer, need + need // 4)
            if larger == NULL:
                raise MemoryError
            self._buffer = larger
            self._capacity = need + need // 4
        while self._filled < need:
            want = self._capacity - self._filled
            if <int64_t>want > self.end - self._read_to:
                want = <size_t>(self.end - self._read_to)
            with nogil:
                got = pread(self._fd, self._buffer + self._filled, want, self._read_to)
            if got < 0 and errno == EINTR:
                continue
            if got <= 0:
                self.error = errno if got < 0 else 0
                return READ if got < 0 else SHRUNK
            self._filled += <size_t>got
            self._read_to += got
        return 0
