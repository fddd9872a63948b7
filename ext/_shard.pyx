"""The loop over a shard's kept images, without the GIL: see keep_impl.h."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from fastconv._tfrecord cimport RecordFile, fc_output

cdef extern from "crc32c_impl.h":
    void fc_crc32c_init() nogil

cdef extern from "jpeg_impl.h":
    ctypedef struct fc_jpeg:
        uint32_t height, width
        uint8_t components, sampling, orientation

cdef extern from "keep_impl.h":
    enum:
        FC_KEYS, FC_BOARD_SLOTS, FC_KEEP_DONE, FC_KEEP_FOREIGN, FC_KEEP_BAD, FC_KEEP_OPEN
        FC_KEEP_READ, FC_KEEP_CHANGED, FC_KEEP_WRITE, FC_KEEP_LIMIT
    ctypedef struct fc_schema:
        const char *key[9]
        size_t key_bytes[9]
    ctypedef struct fc_stored:
        uint32_t height, width
        int gray
        const float *box
        int64_t boxes
    ctypedef struct fc_limits:
        int64_t pixels_max, short_max, long_max, exact_side, bytes_max, file_bytes_max
        uint8_t every, turned, gray
    ctypedef struct fc_keep:
        fc_source source
        fc_schema schema
        fc_limits limits
        int64_t gray_block
        int jpeg_status
        fc_jpeg jpeg
        const uint8_t *image
        size_t image_bytes
    void fc_keep_init(fc_keep *keep, fc_output *out, int64_t *board) nogil
    void fc_keep_boxes(const fc_keep *keep, int64_t row, fc_stored *stored) nogil
    int fc_keep_run(fc_keep *keep, int64_t *row, int64_t stop) nogil
    int fc_keep_append(fc_keep *keep, int64_t row, const uint8_t *image, size_t image_bytes,
                       const fc_stored *stored) nogil

fc_crc32c_init()

DONE, FOREIGN, BAD = FC_KEEP_DONE, FC_KEEP_FOREIGN, FC_KEEP_BAD
OPEN, READ, CHANGED, WRITE = FC_KEEP_OPEN, FC_KEEP_READ, FC_KEEP_CHANGED, FC_KEEP_WRITE
LIMIT = FC_KEEP_LIMIT
BOARD_SLOTS = FC_BOARD_SLOTS


cdef const float *floats(dict columns, str name) except? NULL:
    cdef const float[::1] view = columns[name]
    return &view[0] if view.shape[0] else NULL


cdef class ShardLoop:
    """Writes rows of a plan to a RecordFile.

    `columns` are the plan's buffers by name (fastconv.plan.COLUMNS); `keys` the schema's feature
    names as bytes, nine in the order of keep_impl.h, b"" for what it leaves out; `board` is int64
    of BOARD_SLOTS, shared with whoever watches. `limits` names, as fc_limits does, which whole
    JPEGs run() stops at; with `gray_block`, grayscale images have their class's entries that many
    rows further on. Where there is a column `extra`, its entries end a row's record.
    """

    cdef fc_keep keep
    cdef RecordFile out
    cdef dict columns
    cdef tuple keys
    cdef int64_t[::1] board

    def __cinit__(self, dict columns not None, tuple keys not None, RecordFile out not None,
                  int64_t[::1] board not None, dict limits not None, int64_t gray_block=0):
        if len(keys) != FC_KEYS or board.shape[0] != FC_BOARD_SLOTS:
            raise ValueError("a schema has nine keys, a board eight slots")
        self.columns, self.keys, self.out, self.board = columns, keys, out, board
        fc_keep_init(&self.keep, &out.out, &self.board[0])
        self.keep.limits = limits
        self.keep.gray_block = gray_block
        cdef fc_plan *plan = &self.keep.source.plan
        set_places(plan, columns)
        plan.klass = int32s(columns, "klass")
        plan.box_start = int64s(columns, "box_start")
        plan.box = floats(columns, "box")
        plan.label = int64s(columns, "label")
        plan.block_start = int64s(columns, "block_start")
        plan.block = octets(columns, "block")
        if "extra" in columns:
            plan.extra_start = int64s(columns, "extra_start")
            plan.extra = octets(columns, "extra")
        for i in range(FC_KEYS):
            self.keep.schema.key[i] = <const char *>(<bytes>keys[i])
            self.keep.schema.key_bytes[i] = len(<bytes>keys[i])

    def __dealloc__(self):
        fc_source_close(&self.keep.source)

    def run(self, int64_t row, int64_t stop):
        """Write rows [row, stop). Returns (row it stopped at, why): DONE at `stop`."""
        cdef int result
        with nogil:
            result = fc_keep_run(&self.keep, &row, stop)
        return row, result

    def append(self, int64_t row, const uint8_t[::1] image not None, uint32_t height,
               uint32_t width, bint gray=False, const float[:, ::1] boxes=None):
        """Write `row` with these bytes for its image, and with its own boxes or float32 (n, 4):
        xmin, ymin, xmax, ymax. OSError where the write fails."""
        cdef int result
        cdef size_t n = <size_t>image.shape[0]
        cdef fc_stored stored
        stored.height, stored.width, stored.gray = height, width, gray
        if boxes is None:
            fc_keep_boxes(&self.keep, row, &stored)
        elif boxes.shape[1] != 4:
            raise ValueError("a box has four sides")
        else:
            stored.boxes = boxes.shape[0]
            stored.box = &boxes[0, 0] if boxes.shape[0] else NULL
        with nogil:
            result = fc_keep_append(&self.keep, row, &image[0], n, &stored)
        if result != FC_KEEP_DONE:
            self.out.fail()

    def image(self):
        """The bytes of the image that run() stopped at, FOREIGN, BAD or LIMIT."""
        return (<const char *>self.keep.image)[:self.keep.image_bytes]

    @property
    def facts(self):
        """(height, width, components, sampling, orientation) of that image, a JPEG's: as of
        fastconv._jpeg.look."""
        jpeg = &self.keep.jpeg
        return jpeg.height, jpeg.width, jpeg.components, jpeg.sampling, jpeg.orientation

    @property
    def errno(self):
        return self.keep.source.error

    @property
    def jpeg_status(self):
        return self.keep.jpeg_status

    @property
    def found_bytes(self):
        return self.keep.source.found_bytes
