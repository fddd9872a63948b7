/* tf.train.Example read from the wire (protobuf). Shares no code with what writes it.

   The format: docs/formats.md, "Example". Packed and unpacked number lists are taken, unknown
   fields are passed over, and a list that comes in several parts is joined, as protobuf asks of
   every reader. */
#ifndef FASTCONV_EXAMPLE_READER_H
#define FASTCONV_EXAMPLE_READER_H
#include <stddef.h>
#include <stdint.h>

enum {
    FC_EXAMPLE_OK = 0,
    FC_EXAMPLE_MEMORY,
    FC_EXAMPLE_VARINT,  /* a number is cut off or too long */
    FC_EXAMPLE_BEYOND,  /* a field of error_value bytes goes beyond the end of what it is in */
    FC_EXAMPLE_CUT,     /* a field of fixed size is cut off */
    FC_EXAMPLE_WIRE,    /* wire type error_value is none of an Example */
    FC_EXAMPLE_ZERO,    /* a field has number 0 */
    FC_EXAMPLE_PACKED,  /* packed floats whose bytes are no multiple of 4 */
    FC_EXAMPLE_FLOAT,   /* a float is cut off */
    FC_EXAMPLE_VALUE    /* wire type error_value fits no value of such a list */
};

enum { FC_KIND_NONE = 0, FC_KIND_BYTES, FC_KIND_FLOAT, FC_KIND_INT64 };

typedef struct {
    int64_t at, bytes; /* of the payload */
} fc_span;

typedef struct {
    fc_span name;
    int kind;             /* FC_KIND_*; none where it has no list at all */
    int64_t first, count; /* its values: rows of spans, floats or ints of fc_example, by kind */
} fc_feature;

/* Capacities count elements. An element takes at least a byte of the payload (a feature and a span
   two), so all of it is less than 40 times the payload; of images, next to nothing. */
typedef struct {
    fc_feature *features;
    size_t feature_count, feature_capacity;
    fc_span *spans;
    size_t span_count, span_capacity;
    uint32_t *floats; /* bit patterns */
    size_t float_count, float_capacity;
    int64_t *ints;
    size_t int_count, int_capacity;
    int64_t error_at;     /* byte of the payload that an error is about */
    uint64_t error_value; /* the field's bytes, or the wire type */
} fc_example;

void fc_example_init(fc_example *e);
void fc_example_free(fc_example *e);

/* Fills e anew; its memory is kept from one call to the next. Features are in the order of the
   wire, and a name that comes twice is there twice. After an error there are the features before
   it. */
int fc_example_read(fc_example *e, const uint8_t *payload, size_t bytes);
#endif
