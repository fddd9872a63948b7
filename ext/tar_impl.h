/* The members of a tar archive by its headers alone (POSIX ustar and pax, GNU, v7). */
#ifndef FASTCONV_TAR_H
#define FASTCONV_TAR_H
#include <stddef.h>
#include <stdint.h>

enum {
    FC_TAR_NEED = -1,  /* more bytes: need_bytes of them at need_at */
    FC_TAR_OK = 0,
    FC_TAR_READ,       /* error: errno */
    FC_TAR_MEMORY,
    FC_TAR_CHECKSUM,   /* a header's checksum is wrong */
    FC_TAR_NUMBER,     /* a size that is no number, negative or absurd */
    FC_TAR_CUT,        /* the archive ends inside the member, or inside a header */
    FC_TAR_NO_END,     /* the archive ends without its end mark (a block of zeros) */
    FC_TAR_LONG,       /* a long name or pax header beyond FC_TAR_EXTRA_MAX */
    FC_TAR_PAX,        /* a pax header whose records are malformed */
    FC_TAR_STOPPED,
    FC_TAR_NAME,       /* a name that no file can have: over FC_TAR_NAME_MAX, or with a NUL */
    FC_TAR_GLOBAL,     /* a global pax header that gives all members one name, size or map */
    FC_TAR_BEHIND      /* the end mark is followed by a member, or by over FC_TAR_BEHIND_MAX */
};

/* A name is 4 KiB at most on any system; a pax header may hold other records beside it. Behind the
   end mark an archive is filled up to whole records, of 10 KiB unless tar was told otherwise: more
   than that is a part of the archive that reads as zeros, or another archive. */
enum { FC_TAR_NAME_MAX = 4096, FC_TAR_EXTRA_MAX = 1 << 20, FC_TAR_BEHIND_MAX = 1 << 20,
       FC_TAR_WINDOW = 64 * 1024 };

/* What a long-name or pax header says of the member behind it. */
typedef struct {
    uint8_t *name;
    size_t name_bytes, capacity;
    int has_name, sparse;
    int64_t size; /* -1: the header's own */
} fc_tar_extra;

/* The member that is being read. */
typedef struct {
    uint8_t name[256]; /* by its header */
    size_t name_bytes;
    uint8_t type;
    int more;          /* blocks of a sparse map follow */
    int64_t data, size;
    uint8_t *text;     /* an extended header's data, `done` bytes of it so far */
    size_t text_capacity;
    int64_t done;
} fc_tar_member;

typedef struct {
    int64_t *offset; /* of the member's data, from the beginning of the file */
    int64_t *size;
    uint8_t *type;   /* '0' file, '5' folder, '1' and '2' links, 'S' sparse, others as in the header */
    int64_t *name_end;
    size_t count, capacity;
    uint8_t *names;  /* one behind the other */
    size_t names_bytes, names_capacity;
    int64_t at;      /* where scanning stopped: of the header that an error is about; a member that
                        is cut off is the last in the columns */
    int error;
    const volatile int *stop; /* where it becomes other than 0, scanning ends with FC_TAR_STOPPED */
    /* Of a scan under way. */
    int64_t need_at, need_bytes;
    size_t read_bytes; /* how many are worth reading at once: small members follow, or not */
    int64_t end;
    int phase;
    fc_tar_member member;
    fc_tar_extra extra;
    const uint8_t *window;
    int64_t window_at, window_bytes;
} fc_tar;

/* Lists the archive at bytes [begin, end) of fd. */
int fc_tar_scan(fc_tar *tar, int fd, int64_t begin, int64_t end, const volatile int *stop);

/* The same of bytes that come in windows: begin; then feed `bytes` of the archive, from offset `at`
   on, until the answer is not FC_TAR_NEED. The first window may be empty. A window that lacks what
   is needed is no error: the same is asked for again. The columns are as after fc_tar_scan; bytes
   needed lie within [begin, end), and are FC_TAR_WINDOW at the most. */
void fc_tar_begin(fc_tar *tar, int64_t begin, int64_t end, const volatile int *stop);
int fc_tar_feed(fc_tar *tar, const uint8_t *window, int64_t at, int64_t bytes);
void fc_tar_free(fc_tar *tar);
#endif
