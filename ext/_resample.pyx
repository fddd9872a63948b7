"""Resizing and turning 8-bit images as Pillow does, byte for byte.

The loops: resample_impl.h and orient_impl.h.
"""

from libc.stdint cimport int32_t, uint8_t

cdef extern from "resample_impl.h":
    enum:
        FC_BOX, FC_BILINEAR, FC_BICUBIC, FC_LANCZOS, FC_SIDE_MAX
    ctypedef struct fc_resampler:
        pass
    ctypedef struct fc_image:
        uint8_t *pixels
        int32_t height, width
    void fc_resample_init()
    void fc_resampler_new(fc_resampler *r)
    void fc_resampler_free(fc_resampler *r)
    int fc_resample(fc_resampler *r, fc_image source, fc_image out, int channels, int filter,
                    const float *box) nogil
    const char *fc_resample_kernel()
    const char *fc_resample_kernel_at(int n)
    int fc_resample_force(const char *name)

cdef extern from "orient_impl.h":
    int fc_orient_turns(int orientation)
    void fc_orient(uint8_t *out, const uint8_t *source, size_t height, size_t width, int channels,
                   int orientation) nogil

fc_resample_init()

FILTERS = {
    "box": FC_BOX, "bilinear": FC_BILINEAR, "bicubic": FC_BICUBIC, "lanczos": FC_LANCZOS,
}


def resample_kernel():
    """Name of the kernel in use: an instruction set, or "baseline"."""
    return fc_resample_kernel().decode()


def resample_kernels():
    """Names of the kernels that this machine has, the best last."""
    names = []
    while fc_resample_kernel_at(<int>len(names)) != NULL:
        names.append(fc_resample_kernel_at(<int>len(names)).decode())
    return tuple(names)


def force_resample_kernel(str name not None):
    """Use the kernel of that name; ValueError where this machine has none."""
    if fc_resample_force(name.encode()) < 0:
        raise ValueError(f"this machine has no resampling kernel {name!r}")


# ---- what is an image ------------------------------------------------------------------------

cdef object image_view(str what, pixels):
    view = memoryview(pixels)
    shape = view.shape
    if view.format != "B" or not view.c_contiguous:
        raise ValueError(f"{what}: an image is uint8, in C order and without gaps")
    if len(shape) != 2 and (len(shape) != 3 or shape[2] not in (1, 3)):
        raise ValueError(
            f"{what}: an image is (height, width) or (height, width, 1 or 3), not {shape}"
        )
    if not 0 < min(shape) or max(shape) > FC_SIDE_MAX:
        raise ValueError(f"{what}: a side has 1 to {FC_SIDE_MAX} pixels, but this is {shape}")
    return view


cdef uint8_t *start_of(view):
    cdef const uint8_t[::1] flat = view.cast("B")
    return <uint8_t *>&flat[0]


cdef int apart(source, out) except -1:
    """ValueError unless `out` may be written while `source` is read."""
    if out.readonly:
        raise ValueError("out: it is read-only")
    cdef uint8_t *a = start_of(source)
    cdef uint8_t *b = start_of(out)
    if a < b + <size_t>out.nbytes and b < a + <size_t>source.nbytes:
        raise ValueError("pixels and out share memory")
    return 0


# ---- resizing --------------------------------------------------------------------------------

cdef class Resampler:
    """Resizes images, one after another, in memory that it keeps, with tables that it remembers."""

    cdef fc_resampler state
    cdef bint busy

    def __cinit__(self):
        fc_resampler_new(&self.state)

    def __dealloc__(self):
        fc_resampler_free(&self.state)

    def resize(self, pixels, out, str filter not None, box=None):
        """Fill `out` with `pixels`, or with what of them is in box, resized.

        Both are uint8, (height, width) or (height, width, channels), in memory of their own; the
        box is (left, top, right, bottom) in pixels of the source, whole or not. The bytes are those
        of Pillow's ``Image.resize(size, filter, box)``. ValueError for what is no image, no filter
        and no box inside of the image.
        """
        source, made = image_view("pixels", pixels), image_view("out", out)
        shape, out_shape = source.shape, made.shape
        if shape[2:] != out_shape[2:]:
            raise ValueError(f"pixels and out are not of one kind: {shape}, {out_shape}")
        if filter not in FILTERS:
            raise ValueError(f"no filter {filter!r}; there are {', '.join(FILTERS)}")
        apart(source, made)
        cdef fc_image a = fc_image(start_of(source), shape[0], shape[1])
        cdef fc_image b = fc_image(start_of(made), out_shape[0], out_shape[1])
        left, top, right, bottom = (0, 0, shape[1], shape[0]) if box is None else box
        cdef float[4] edges = [left, top, right, bottom]
        if not (0 <= edges[0] < edges[2] <= a.width and 0 <= edges[1] < edges[3] <= a.height):
            raise ValueError(f"box {box} is empty, or not inside of {a.width} x {a.height} pixels")
        cdef int channels = 1 if len(shape) == 2 else shape[2]
        cdef int kind = FILTERS[filter]
        cdef int failed
        if self.busy:
            raise RuntimeError("a Resampler is for one thread at a time")
        self.busy = True
        with nogil:
            failed = fc_resample(&self.state, a, b, channels, kind, edges)
        self.busy = False
        if failed:
            raise MemoryError


# ---- turning ---------------------------------------------------------------------------------

def orient(pixels, out, int orientation):
    """Fill `out` with the upright image of `pixels`, stored in this EXIF orientation.

    Both are uint8, (height, width) or (height, width, channels), in memory of their own; in
    orientations 5 to 8 out's height is the source's width. The pixels are those of Pillow's
    ``ImageOps.exif_transpose``. ValueError for what is no image, and for other orientations.
    """
    source, made = image_view("pixels", pixels), image_view("out", out)
    shape = source.shape
    if not 1 <= orientation <= 8:
        raise ValueError(f"an EXIF orientation is 1 to 8, not {orientation}")
    cdef size_t height = shape[0], width = shape[1]
    due = ((width, height) if fc_orient_turns(orientation) else (height, width)) + shape[2:]
    if made.shape != due:
        raise ValueError(f"out: it must be {due}, and is {made.shape}")
    apart(source, made)
    cdef uint8_t *a = start_of(source)
    cdef uint8_t *b = start_of(made)
    cdef int channels = 1 if len(shape) == 2 else shape[2]
    with nogil:
        fc_orient(b, a, height, width, channels, orientation)
