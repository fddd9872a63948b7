/* tf.train.Example on the wire (protobuf), as parts that are sized first and written once.

   Example { Features features = 1 }       Features { map<string, Feature> feature = 1 }
   Feature { oneof: BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3 }
   A map entry is a message { string key = 1; Feature value = 2 }; number lists are packed.

   An *entry* below is one feature with its key and its place in the map, ready to be laid behind
   another. Every fc_put_* writes what its fc_size_* counts and returns the byte behind it. */
#ifndef FASTCONV_EXAMPLE_H
#define FASTCONV_EXAMPLE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FC_TAG1 = 0x0A, FC_TAG2 = 0x12, FC_BYTES = 0x0A, FC_FLOATS = 0x12, FC_INT64S = 0x1A };

static inline size_t fc_size_varint(uint64_t v)
{
    size_t n = 1;
    while (v >>= 7)
        n++;
    return n;
}

static inline uint8_t *fc_put_varint(uint8_t *p, uint64_t v)
{
    for (; v > 127; v >>= 7)
        *p++ = (uint8_t)(v | 128);
    *p++ = (uint8_t)v;
    return p;
}

/* A length-delimited field of n bytes. */
static inline size_t fc_size_field(size_t n)
{
    return 1 + fc_size_varint(n) + n;
}

static inline uint8_t *fc_put_head(uint8_t *p, uint8_t tag, size_t n)
{
    *p++ = tag;
    return fc_put_varint(p, n);
}

static inline uint8_t *fc_put_bytes(uint8_t *p, uint8_t tag, const void *data, size_t n)
{
    p = fc_put_head(p, tag, n);
    if (n)
        memcpy(p, data, n);
    return p + n;
}

/* An entry whose list (the inside of BytesList, FloatList or Int64List) takes list_bytes. */
static inline size_t fc_size_entry(size_t key_bytes, size_t list_bytes)
{
    return fc_size_field(fc_size_field(key_bytes) + fc_size_field(fc_size_field(list_bytes)));
}

/* All of an entry before the inside of its list. */
static inline uint8_t *fc_put_entry(uint8_t *p, const char *key, size_t key_bytes, uint8_t kind,
                                    size_t list_bytes)
{
    size_t feature = fc_size_field(list_bytes);
    p = fc_put_head(p, FC_TAG1, fc_size_field(key_bytes) + fc_size_field(feature));
    p = fc_put_bytes(p, FC_TAG1, key, key_bytes);
    p = fc_put_head(p, FC_TAG2, feature);
    return fc_put_head(p, kind, list_bytes);
}

/* The inside of a packed list whose values take n bytes: an empty list has no inside at all. */
static inline size_t fc_size_packed(size_t n)
{
    return n ? fc_size_field(n) : 0;
}
#endif
