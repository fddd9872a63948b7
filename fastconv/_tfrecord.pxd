from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef extern from "output_impl.h":
    enum:
        FC_FRAME_HEAD, FC_FRAME_TAIL
    ctypedef struct fc_output:
        int fd
        int error
        uint8_t *buffer
        size_t fill
        int64_t flushed
        int64_t records
        uint32_t crc
        char *index
        size_t index_bytes
    void fc_output_init(fc_output *out, int fd, size_t flush_bytes) nogil
    void fc_output_free(fc_output *out) nogil
    int fc_output_flush(fc_output *out) nogil
    int fc_output_allocate(fc_output *out, int64_t bytes) nogil
    int fc_output_finish(fc_output *out) nogil
    uint8_t *fc_output_reserve(fc_output *out, size_t n) nogil
    int fc_output_seal(fc_output *out, size_t payload_bytes) nogil


cdef class RecordFile:
    cdef fc_output out
