"""Reading tf.train.Example from the wire: see example_reader_impl.h."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

cdef extern from "example_reader_impl.h":
    enum:
        FC_EXAMPLE_OK, FC_EXAMPLE_MEMORY, FC_EXAMPLE_VARINT, FC_EXAMPLE_BEYOND, FC_EXAMPLE_CUT
        FC_EXAMPLE_WIRE, FC_EXAMPLE_ZERO, FC_EXAMPLE_PACKED, FC_EXAMPLE_FLOAT, FC_EXAMPLE_VALUE
        FC_KIND_FLOAT, FC_KIND_INT64
    ctypedef struct fc_span:
        int64_t at, bytes
    ctypedef struct fc_feature:
        fc_span name
        int kind
        int64_t first, count
    ctypedef struct fc_example:
        fc_feature *features
        size_t feature_count
        fc_span *spans
        uint32_t *floats
        int64_t *ints
        int64_t error_at
        uint64_t error_value
    void fc_example_init(fc_example *e)
    void fc_example_free(fc_example *e)
    int fc_example_read(fc_example *e, const uint8_t *payload, size_t bytes)

REASONS = {
    FC_EXAMPLE_VARINT: "a number is cut off or too long at byte {at} of the payload",
    FC_EXAMPLE_BEYOND: "a field of {value} bytes at byte {at} of the payload goes beyond its end",
    FC_EXAMPLE_CUT: "a field is cut off at byte {at} of the payload",
    FC_EXAMPLE_WIRE: "wire type {value} at byte {at} of the payload is none of an Example",
    FC_EXAMPLE_ZERO: "a field has number 0 at byte {at} of the payload",
    FC_EXAMPLE_PACKED: "packed floats at byte {at} of the payload are cut off",
    FC_EXAMPLE_FLOAT: "a float at byte {at} of the payload is cut off",
    FC_EXAMPLE_VALUE: "wire type {value} at byte {at} of the payload fits no value there",
}


cdef object text(const uint8_t *payload, fc_span *span):
    return (<const char *>payload + span.at)[:span.bytes] if span.bytes else b""


cdef object as_array(const uint8_t *payload, const fc_example *e, const fc_feature *feature):
    cdef int64_t i, n = feature.count
    if feature.kind == FC_KIND_FLOAT:
        return np.frombuffer((<char *>(e.floats + feature.first))[:4 * n] if n else b"", "<f4")
    if feature.kind == FC_KIND_INT64:
        numbers = (<char *>(e.ints + feature.first))[:8 * n] if n else b""
        return np.array(np.frombuffer(numbers, np.int64))
    values = np.empty(n, object)
    for i in range(n):
        values[i] = text(payload, &e.spans[feature.first + i])
    return values


def parse_example(payload not None):
    """The features of a serialized tf.train.Example, by name.

    Each value is an array of shape (n,): float32, int64, or object holding bytes. A feature
    without a list gives an empty array of objects. Of a name that comes twice the last one counts.

    Raises ValueError where the payload is no Example, saying at which byte.
    """
    cdef const uint8_t[::1] view = memoryview(payload).cast("B")
    cdef const uint8_t *p = &view[0] if view.shape[0] else NULL
    cdef fc_example e
    cdef fc_feature *feature
    cdef int why
    cdef size_t i
    result = {}
    fc_example_init(&e)
    try:
        why = fc_example_read(&e, p, <size_t>view.shape[0])
        if why == FC_EXAMPLE_MEMORY:
            raise MemoryError
        for i in range(e.feature_count):
            feature = &e.features[i]
            name = text(p, &feature.name).decode("utf-8")
            if why == FC_EXAMPLE_OK:
                result[name] = as_array(p, &e, feature)
        if why != FC_EXAMPLE_OK:
            raise ValueError(REASONS[why].format(at=e.error_at, value=e.error_value))
        return result
    finally:
        fc_example_free(&e)
