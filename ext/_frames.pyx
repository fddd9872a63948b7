"""Where the records of a TFRecord file are: see frames_impl.h."""

from libc.stdint cimport int64_t

cdef extern from "frames_impl.h":
    enum:
        FC_FRAMES_WHOLE, FC_FRAMES_READ, FC_FRAMES_HEAD_CUT, FC_FRAMES_HEAD_WRONG, FC_FRAMES_CUT
        FC_FRAMES_MEMORY
    ctypedef struct fc_frames:
        char *lines
        size_t used
        int64_t at, record
        int error
    void fc_frames_init()
    int fc_frames_index(fc_frames *frames, int fd, int64_t end) nogil
    void fc_frames_free(fc_frames *frames)

WHOLE, READ, HEAD_CUT = FC_FRAMES_WHOLE, FC_FRAMES_READ, FC_FRAMES_HEAD_CUT
HEAD_WRONG, CUT = FC_FRAMES_HEAD_WRONG, FC_FRAMES_CUT

fc_frames_init()


def index(int fd, int64_t end):
    """The index of the TFRecord file `fd` of `end` bytes, read without the GIL.

    Returns (why it stopped, errno, record, offset, lines): WHOLE, READ (the system refused),
    HEAD_CUT, HEAD_WRONG (checksum) or CUT, with the record's number and offset that it is about;
    and "<offset> <size of the whole frame>" lines of the records before.
    """
    cdef fc_frames frames
    cdef int why
    with nogil:
        why = fc_frames_index(&frames, fd, end)
    try:
        if why == FC_FRAMES_MEMORY:
            raise MemoryError
        lines = frames.lines[:frames.used] if frames.used else b""
        return why, frames.error, frames.record, frames.at, lines
    finally:
        fc_frames_free(&frames)
