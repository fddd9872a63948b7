"""What a JPEG's header says: see jpeg_impl.h."""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "jpeg_impl.h":
    ctypedef struct fc_jpeg:
        uint32_t height, width
        uint8_t components, precision_bits, sof, sampling, orientation
    int fc_jpeg_scan(const uint8_t *p, size_t n, fc_jpeg *out) nogil
    int fc_jpeg_readable(const fc_jpeg *jpeg) nogil

# In the order of jpeg_impl.h; what a person reads about an image that is bad.
REASONS = (
    "",
    "the file is empty",
    "it does not begin as a JPEG does",
    "it is cut off before its frame header (SOF)",
    "its frame header (SOF) gives no size, or a number of components that no image has",
    "it is cut off before its first scan",
    "it is cut off: no EOI marker after its last scan began",
    "it has more or less than 8 bits a sample (as a 12-bit JPEG has), which libjpeg-turbo and "
    "TensorFlow do not read",
    "it is a lossless or hierarchical JPEG, which libjpeg-turbo and TensorFlow do not read",
    "it has more pixels than --max-pixels allows",
    "its file has over 1 GiB, more than an image of 178,956,970 pixels takes in any usual format",
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


def look(const uint8_t[::1] data not None):
    """(status, height, width, components, sampling, Exif orientation) of a JPEG's bytes.

    Status as of scan(), or a row of REASONS for a kind that no decoder at hand reads. Sampling
    0x21: twice as many samples of the first component across as of the others; 0 for others than
    the usual kinds. Orientation 1 to 8 (Exif 2.3, tag 0x0112), 1 where there is none.
    """
    cdef fc_jpeg jpeg
    cdef const uint8_t *p = &data[0] if data.shape[0] else NULL
    cdef size_t n = <size_t>data.shape[0]
    cdef int status
    with nogil:
        status = fc_jpeg_scan(p, n, &jpeg)
        if status == 0:
            status = fc_jpeg_readable(&jpeg)
    return status, jpeg.height, jpeg.width, jpeg.components, jpeg.sampling, jpeg.orientation
