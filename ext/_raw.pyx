"""The loop over images that become files again, without the GIL: see raw_impl.h."""

from libc.stdint cimport int64_t, uint8_t

from fastconv._shard cimport fc_source, set_places

cdef extern from "raw_impl.h":
    enum:
        FC_BOARD_SLOTS, FC_TAR_HEADER
        FC_RAW_DONE, FC_RAW_OPEN, FC_RAW_READ, FC_RAW_CHANGED, FC_RAW_WRITE, FC_RAW_NAME
    ctypedef struct fc_raw:
        fc_source source
        int folder
        int error
    int fc_raw_init(fc_raw *raw, int64_t *board) nogil
    void fc_raw_free(fc_raw *raw) nogil
    int fc_raw_run(fc_raw *raw, int64_t *row, int64_t stop) nogil
    int64_t fc_raw_modified(const uint8_t *header) nogil

DONE, OPEN, READ, CHANGED = FC_RAW_DONE, FC_RAW_OPEN, FC_RAW_READ, FC_RAW_CHANGED
WRITE, NAME = FC_RAW_WRITE, FC_RAW_NAME


def modified(const uint8_t[::1] header not None):
    """When a tar member was changed last, in seconds since 1970, by its header of 512 bytes; 0 where
    that is no number."""
    if header.shape[0] != FC_TAR_HEADER:
        raise ValueError("a header has 512 bytes")
    return fc_raw_modified(&header[0])


cdef class FileLoop:
    """Writes the images of rows of a plan to files of their own.

    `columns` are the plan's buffers by name (fastconv.job.share_plans), `board` is int64, shared
    with whoever watches.
    """

    cdef fc_raw raw
    cdef dict columns
    cdef int64_t[::1] board

    def __cinit__(self, dict columns not None, int64_t[::1] board not None):
        if board.shape[0] != FC_BOARD_SLOTS:
            raise ValueError("a board has eight slots")
        self.columns, self.board = columns, board
        if fc_raw_init(&self.raw, &self.board[0]) < 0:
            raise MemoryError
        set_places(&self.raw.source.plan, columns)

    def __dealloc__(self):
        fc_raw_free(&self.raw)

    def run(self, int folder, int64_t row, int64_t stop):
        """Write rows [row, stop) into the open folder. Returns (row it stopped at, why): DONE at
        `stop`."""
        cdef int result
        self.raw.folder = folder
        with nogil:
            result = fc_raw_run(&self.raw, &row, stop)
        return row, result

    @property
    def source_errno(self):
        return self.raw.source.error

    @property
    def write_errno(self):
        return self.raw.error

    @property
    def found_bytes(self):
        return self.raw.source.found_bytes
