"""Where the records of a TFRecord file are, by the heads of their frames alone.

Shares no code with what writes frames; the checksum here is the plain table of RFC 3720.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int fd, void *buffer, size_t count, int64_t offset)

cdef enum:
    HEAD = 12
    OVERHEAD = 16
    LINE = 48

WHOLE, READ, HEAD_CUT, HEAD_WRONG, CUT = range(5)

cdef uint32_t table[256]
cdef uint32_t _crc
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = (_crc >> 1) ^ (0x82F63B78 if _crc & 1 else 0)
    table[_byte] = _crc


cdef uint32_t masked(const uint8_t *p, int n) noexcept nogil:
    cdef uint32_t crc = 0xFFFFFFFF
    cdef int i
    for i in range(n):
        crc = (crc >> 8) ^ table[(crc ^ p[i]) & 255]
    crc = ~crc
    return ((crc >> 15) | (crc << 17)) + <uint32_t>0xA282EAD8


def index(int fd, int64_t end):
    """The index of the TFRecord file `fd` of `end` bytes, read without the GIL.

    Returns (why it stopped, errno, record, offset, lines): WHOLE, READ (the system refused),
    HEAD_CUT, HEAD_WRONG (checksum) or CUT, with the record's number and offset that it is about;
    and "<offset> <size of the whole frame>" lines of the records before.
    """
    cdef uint8_t head[HEAD]
    cdef uint64_t size
    cdef uint32_t crc
    cdef int64_t at = 0, record = 0
    cdef size_t used = 0, capacity = 0
    cdef char *lines = NULL
    cdef char *larger
    cdef ssize_t got
    cdef int why = 0, error = 0, done
    with nogil:
        while at < end:
            done = 0
            while done < HEAD:
                got = pread(fd, head + done, HEAD - done, at + done)
                if got < 0 and errno == EINTR:
                    continue
                if got <= 0:
                    error = errno if got < 0 else 0
                    break
                done += <int>got
            if done < HEAD:
                why = 1 if error else 2
                break
            memcpy(&size, head, 8)
            memcpy(&crc, head + 8, 4)
            if masked(head, 8) != crc:
                why = 3
                break
            if size > <uint64_t>(end - at) or end - at - <int64_t>size < OVERHEAD:
                why = 4
                break
            if capacity - used < LINE:
                larger = <char *>realloc(lines, 2 * capacity + 65536)
                if larger == NULL:
                    why = -1
                    break
                lines = larger
                capacity = 2 * capacity + 65536
            used += <size_t>snprintf(lines + used, LINE, b"%lld %lld\n", <long long>at,
                                     <long long>size + OVERHEAD)
            at += <int64_t>size + OVERHEAD
            record += 1
    try:
        if why < 0:
            raise MemoryError
        return why, error, record, at, lines[:used] if used else b""
    finally:
        free(lines)
