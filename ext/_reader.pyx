"""Reading tf.train.Example from the wire. Shares no code with what writes it.

The format: docs/formats.md, "Example"; the wire: the Protocol Buffers encoding specification.
Both packed and unpacked number lists are taken, unknown fields are passed over, and a list that
comes in several parts is joined, as protobuf asks of every reader.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

cdef enum:
    VARINT = 0
    FIXED64 = 1
    DELIMITED = 2
    FIXED32 = 5

cdef struct Span:
    const uint8_t *p
    Py_ssize_t at
    Py_ssize_t end


cdef uint64_t varint(Span *s) except? 0xFFFFFFFFFFFFFFFE:
    cdef uint64_t value = 0
    cdef int shift = 0
    cdef uint8_t b
    while s.at < s.end and shift < 64:
        b = s.p[s.at]
        s.at += 1
        value |= <uint64_t>(b & 127) << shift
        if not b & 128:
            return value
        shift += 7
    raise ValueError(f"a number is cut off or too long at byte {s.at} of the payload")


cdef Span delimited(Span *s) except *:
    cdef uint64_t n = varint(s)
    cdef Span inner
    if n > <uint64_t>(s.end - s.at):
        raise ValueError(f"a field of {n} bytes at byte {s.at} of the payload goes beyond its end")
    inner.p = s.p
    inner.at = s.at
    inner.end = s.at + <Py_ssize_t>n
    s.at = inner.end
    return inner


cdef int skip(Span *s, uint64_t tag) except -1:
    cdef int wire = tag & 7
    if tag >> 3 == 0:
        raise ValueError(f"a field has number 0 at byte {s.at} of the payload")
    if wire == VARINT:
        varint(s)
    elif wire == DELIMITED:
        delimited(s)
    elif wire == FIXED64 or wire == FIXED32:
        s.at += 8 if wire == FIXED64 else 4
        if s.at > s.end:
            raise ValueError(f"a field is cut off at byte {s.end} of the payload")
    else:
        raise ValueError(f"wire type {wire} at byte {s.at} of the payload is none of an Example")
    return 0


cdef object text(Span *s):
    return (<const char *>s.p)[s.at:s.end]


cdef int read_list(Span s, uint64_t kind, list parts) except -1:
    """Values of a BytesList (1), FloatList (2) or Int64List (3), appended to parts."""
    cdef uint64_t tag
    cdef Span inner
    cdef int64_t number
    while s.at < s.end:
        tag = varint(&s)
        if tag >> 3 != 1:
            skip(&s, tag)
        elif kind == 1 and tag & 7 == DELIMITED:
            inner = delimited(&s)
            parts.append(text(&inner))
        elif kind == 2 and tag & 7 == DELIMITED:
            inner = delimited(&s)
            if (inner.end - inner.at) % 4:
                raise ValueError(f"packed floats at byte {inner.at} of the payload are cut off")
            parts.append(text(&inner))
        elif kind == 2 and tag & 7 == FIXED32:
            if s.end - s.at < 4:
                raise ValueError(f"a float at byte {s.at} of the payload is cut off")
            parts.append((<const char *>s.p)[s.at:s.at + 4])
            s.at += 4
        elif kind == 3 and tag & 7 == DELIMITED:
            inner = delimited(&s)
            while inner.at < inner.end:
                number = <int64_t>varint(&inner)
                parts.append(number)
        elif kind == 3 and tag & 7 == VARINT:
            number = <int64_t>varint(&s)
            parts.append(number)
        else:
            raise ValueError(f"wire type {tag & 7} at byte {s.at} of the payload fits no value there")
    return 0


cdef int read_feature(Span s, uint64_t *kind, list parts) except -1:
    """What a Feature message holds, added to what an earlier part of it held."""
    cdef uint64_t tag
    while s.at < s.end:
        tag = varint(&s)
        if 1 <= tag >> 3 <= 3 and tag & 7 == DELIMITED:
            if tag >> 3 != kind[0]:  # a oneof: the last kind wins
                parts.clear()
                kind[0] = tag >> 3
            read_list(delimited(&s), kind[0], parts)
        else:
            skip(&s, tag)
    return 0


cdef object as_array(uint64_t kind, list parts):
    if kind == 2:
        return np.frombuffer(b"".join(parts), np.dtype("<f4"))
    if kind == 3:
        return np.array(parts, np.int64)
    values = np.empty(len(parts), object)
    for i, part in enumerate(parts):
        values[i] = part
    return values


def parse_example(payload not None):
    """The features of a serialized tf.train.Example, by name.

    Each value is an array of shape (n,): float32, int64, or object holding bytes. A feature
    without a list gives an empty array of objects. Of a name that comes twice the last one counts.

    Raises ValueError where the payload is no Example, saying at which byte.
    """
    cdef const uint8_t[::1] view = memoryview(payload).cast("B")
    cdef Span example, features, entry, name
    cdef uint64_t tag, kind
    cdef list parts
    example.p = &view[0] if view.shape[0] else NULL
    example.at = 0
    example.end = view.shape[0]
    result = {}
    while example.at < example.end:
        tag = varint(&example)
        if tag != (1 << 3 | DELIMITED):
            skip(&example, tag)
            continue
        features = delimited(&example)
        while features.at < features.end:
            tag = varint(&features)
            if tag != (1 << 3 | DELIMITED):
                skip(&features, tag)
                continue
            entry = delimited(&features)
            key = b""
            kind = 0
            parts = []
            while entry.at < entry.end:
                tag = varint(&entry)
                if tag == (1 << 3 | DELIMITED):
                    name = delimited(&entry)
                    key = text(&name)
                elif tag == (2 << 3 | DELIMITED):
                    read_feature(delimited(&entry), &kind, parts)
                else:
                    skip(&entry, tag)
            result[key.decode("utf-8")] = as_array(kind, parts)
    return result
