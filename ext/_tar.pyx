"""Listing tar archives by their headers: see tar_impl.h."""

from libc.stdint cimport int64_t, uint8_t

cdef extern from "tar_impl.h":
    enum:
        FC_TAR_NEED, FC_TAR_MEMORY, FC_TAR_CUT, FC_TAR_NO_END
    ctypedef struct fc_tar:
        int64_t *offset
        int64_t *size
        uint8_t *type
        int64_t *name_end
        size_t count
        uint8_t *names
        size_t names_bytes
        int64_t at
        int error
        int64_t need_at, need_bytes
    int fc_tar_scan(fc_tar *tar, int fd, int64_t begin, int64_t end,
                    const volatile int *stop) nogil
    void fc_tar_begin(fc_tar *tar, int64_t begin, int64_t end, const volatile int *stop) nogil
    int fc_tar_feed(fc_tar *tar, const uint8_t *window, int64_t at, int64_t bytes) nogil
    void fc_tar_free(fc_tar *tar) nogil

CUT = FC_TAR_CUT
NO_END = FC_TAR_NO_END
# In the order of tar_impl.h.
REASONS = (
    "",
    "it could not be read",
    "there is not enough memory to list it",
    "the checksum of its header is wrong",
    "its header gives a size that is no number, negative or absurd",
    "the archive is cut off here",
    "the archive ends here without its end mark, so it may be cut off",
    "its extended header is over 1 MiB",
    "its pax header is malformed",
    "listing it was stopped",
    "its name is over 4,096 bytes, or holds a NUL, which no file's name does",
    "its global pax header gives all members one name, size or sparse map",
    "the archive's end mark stands here, but more than its padding follows: a part of the archive "
    "was never written and reads as zeros, or archives were joined",
)


def scan(int fd, int64_t begin, int64_t end, const int[::1] stop=None):
    """List the tar archive at bytes [begin, end) of an open file, without the GIL.

    Returns (status, offset, errno, offsets, sizes, types, names, name_ends): status 0 or a row of
    REASONS; the offset of the header that it is about; and a column a member, each as bytes that
    hold int64 (offsets, sizes, name_ends) or uint8 (types, names). After an error the columns hold
    the members before it; the one that is cut off is the last. Another thread ends it by setting
    `stop`, an array of one int, to other than 0.
    """
    cdef fc_tar tar
    cdef int status
    cdef int never = 0
    cdef const volatile int *flag = &never if stop is None else &stop[0]
    with nogil:
        status = fc_tar_scan(&tar, fd, begin, end, flag)
    try:
        return answer(&tar, status)
    finally:
        fc_tar_free(&tar)


cdef class Scan:
    """The same of an archive at bytes [begin, end) that come in windows. `stop` is as of scan()."""

    cdef fc_tar tar
    cdef int status, never
    cdef const int[::1] stop

    def __cinit__(self, int64_t begin, int64_t end, const int[::1] stop=None):
        self.never = 0
        self.stop = stop
        self.status = FC_TAR_NEED
        fc_tar_begin(&self.tar, begin, end, &self.never if stop is None else &stop[0])

    def __dealloc__(self):
        fc_tar_free(&self.tar)

    def feed(self, const uint8_t[::1] window not None, int64_t at):
        """Go on with these bytes, which begin at offset `at`; without the GIL. Returns whether the
        archive's end was reached, or an error met; else `need` says what comes next."""
        cdef int64_t n = window.shape[0]
        cdef const uint8_t *first = &window[0] if n else NULL
        if self.status != FC_TAR_NEED:
            return True
        with nogil:
            self.status = fc_tar_feed(&self.tar, first, at, n)
        return self.status != FC_TAR_NEED

    @property
    def need(self):
        """(offset, how many bytes there are needed), inside [begin, end)."""
        return self.tar.need_at, self.tar.need_bytes

    @property
    def members(self):
        """How many are in the columns so far."""
        return self.tar.count

    def answer(self):
        """What scan() returns; CUT where bytes that are needed never came."""
        return answer(&self.tar, FC_TAR_CUT if self.status == FC_TAR_NEED else self.status)


cdef tuple answer(fc_tar *tar, int status):
    if status == FC_TAR_MEMORY:
        raise MemoryError
    return (
        status, tar.at, tar.error,
        (<char *>tar.offset)[:tar.count * 8] if tar.count else b"",
        (<char *>tar.size)[:tar.count * 8] if tar.count else b"",
        (<char *>tar.type)[:tar.count] if tar.count else b"",
        (<char *>tar.names)[:tar.names_bytes] if tar.names_bytes else b"",
        (<char *>tar.name_end)[:tar.count * 8] if tar.count else b"",
    )
