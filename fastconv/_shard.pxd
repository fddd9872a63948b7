"""The plan's columns as C sees them, for the loops over its rows."""

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef extern from "plan_impl.h":
    ctypedef struct fc_plan:
        const int32_t *container
        const int64_t *offset
        const int64_t *size
        const int32_t *klass
        const int64_t *name_start
        const uint8_t *name
        const int64_t *box_start
        const float *box
        const int32_t *container_file
        const uint8_t *container_is_folder
        const int64_t *path_start
        const uint8_t *path
        const int64_t *label
        const int64_t *block_start
        const uint8_t *block
        const int64_t *extra_start
        const uint8_t *extra
        const int64_t *path_bytes
        const int64_t *path_changed

cdef extern from "source_impl.h":
    ctypedef struct fc_source:
        fc_plan plan
        int error
        int64_t found_bytes
    void fc_source_close(fc_source *source) nogil


cdef inline const int32_t *int32s(dict columns, str name) except? NULL:
    cdef const int32_t[::1] view = columns[name]
    return &view[0] if view.shape[0] else NULL


cdef inline const int64_t *int64s(dict columns, str name) except? NULL:
    cdef const int64_t[::1] view = columns[name]
    return &view[0] if view.shape[0] else NULL


cdef inline const uint8_t *octets(dict columns, str name) except? NULL:
    cdef const uint8_t[::1] view = columns[name]
    return &view[0] if view.shape[0] else NULL


cdef inline int set_places(fc_plan *plan, dict columns) except -1:
    """Set the columns that say where each row's image is, and what it is called."""
    plan.container = int32s(columns, "container")
    plan.offset = int64s(columns, "offset")
    plan.size = int64s(columns, "size")
    plan.name_start = int64s(columns, "name_start")
    plan.name = octets(columns, "name")
    plan.container_file = int32s(columns, "container_file")
    plan.container_is_folder = octets(columns, "container_is_folder")
    plan.path_start = int64s(columns, "path_start")
    plan.path = octets(columns, "path")
    if "path_bytes" in columns:
        plan.path_bytes = int64s(columns, "path_bytes")
        plan.path_changed = int64s(columns, "path_changed")
    return 0
