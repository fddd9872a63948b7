/* Whether a record holds what its schema says: a yes or a no, quickly. Of a no the words are found
   in Python (fastconv/checking/rules.py), which asks the same questions. Shares no code with what
   writes records. */
#ifndef FASTCONV_VERIFY_H
#define FASTCONV_VERIFY_H
#include <stddef.h>
#include <stdint.h>

#include "example_reader_impl.h"

/* slim's features, in the order of fastconv.checking.rules.KINDS. */
enum {
    FC_RULE_HEIGHT, FC_RULE_WIDTH, FC_RULE_COLORSPACE, FC_RULE_CHANNELS, FC_RULE_FORMAT,
    FC_RULE_LABEL, FC_RULE_SYNSET, FC_RULE_TEXT, FC_RULE_FILENAME, FC_RULE_ENCODED, FC_RULE_XMIN,
    FC_RULE_YMIN, FC_RULE_XMAX, FC_RULE_YMAX, FC_RULE_BOX_LABEL, FC_RULE_KEYS
};

typedef struct {
    const char *name;
    size_t bytes; /* of the name; 0: the schema leaves this feature out */
    int kind;     /* FC_KIND_* */
    int single;   /* it has one value */
} fc_key;

typedef struct {
    fc_key keys[FC_RULE_KEYS];
    const fc_key *added; /* features of other names that must be there, too */
    size_t added_count;
    int64_t first_label; /* of the first class */
    int64_t classes;     /* how many there are */
    const uint8_t *names; /* of the classes, one behind another, and where each begins and ends */
    const int64_t *name_start;
    int64_t *records;    /* of each class: counted here */
    int64_t *boxes;      /* of all: counted here */
} fc_rules;

/* The components of a JPEG, and its sides, by its frame header (ITU-T T.81, B.2.2); 0 where there is
   none before its first scan. */
int fc_jpeg_sides(const uint8_t *p, size_t bytes, int64_t *height, int64_t *width);

/* 1 where the record is as it must be, else 0. */
int fc_rules_hold(const fc_rules *rules, const fc_example *e, const uint8_t *payload);

/* CRC32C of a followed by b, from that of each. fc_join_init comes first. */
void fc_join_init(void);
uint32_t fc_joined(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b);
#endif
