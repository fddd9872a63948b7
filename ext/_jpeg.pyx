"""What a JPEG's header says: see jpeg_impl.h."""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "jpeg_impl.h":
    ctypedef struct fc_jpeg:
        uint32_t height, width
        uint8_t components, precision_bits, sof
    int fc_jpeg_scan(const uint8_t *p, size_t n, fc_jpeg *out) nogil

# In the order of jpeg_impl.h; what a person reads about an image that is bad.
REASONS = (
    "",
    "the file is empty",
    "it does not begin as a JPEG does",
    "it is cut off before its frame header (SOF)",
    "its frame header (SOF) gives no size, or a number of components that no image has",
    "it is cut off before its first scan",
    "it is cut off: no EOI marker after its last scan began",
)


def scan(const uint8_t[::1] data not None):
    """(status, height, width, components, precision in bits, SOF marker) of a JPEG's bytes.

    Status 0 is a whole JPEG; others are rows of REASONS. Reads markers only (ITU-T T.81, annex B).
    """
    cdef fc_jpeg jpeg
    cdef const uint8_t *p = &data[0] if data.shape[0] else NULL
    cdef size_t n = <size_t>data.shape[0]
    cdef int status
    with nogil:
        status = fc_jpeg_scan(p, n, &jpeg)
    return status, jpeg.height, jpeg.width, jpeg.components, jpeg.precision_bits, jpeg.sof
