"""Which members of a tar, and which entries of a folder, are images: one pass over the names,
without a Python object a name."""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc cimport errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, strlen

cdef extern from "<sys/stat.h>" nogil:
    ctypedef int mode_t
    struct stat_t "stat":
        mode_t st_mode
        int64_t st_size
    int S_ISREG(mode_t mode)
    int S_ISDIR(mode_t mode)
    int S_ISLNK(mode_t mode)

cdef extern from "<fcntl.h>" nogil:
    int AT_SYMLINK_NOFOLLOW
    int fstatat(int fd, const char *name, stat_t *status, int flags)

cdef extern from "<dirent.h>" nogil:
    ctypedef struct DIR:
        pass
    struct dirent:
        char *d_name
        unsigned char d_type
    enum:
        DT_UNKNOWN
        DT_DIR
        DT_REG
        DT_LNK
    DIR *opendir(const char *path)
    dirent *readdir(DIR *folder)
    int dirfd(DIR *folder)
    int closedir(DIR *folder)

DEF_ENDINGS = (b"jpeg", b"jpg", b"jpe", b"jfif", b"png", b"gif", b"bmp", b"webp", b"tif", b"tiff")
IMAGE_ENDINGS = frozenset(DEF_ENDINGS)

cdef enum:
    ENDINGS = 10
    ENDING_MAX = 4
cdef char endings[ENDINGS][ENDING_MAX]
cdef int64_t ending_sizes[ENDINGS]
for _k, _ending in enumerate(DEF_ENDINGS):
    memcpy(&endings[_k][0], <const char *>(<bytes>_ending), len(_ending))
    ending_sizes[_k] = len(_ending)


cdef bint is_image(const uint8_t *p, int64_t n) noexcept nogil:
    """By its name: not hidden, and with an ending that an image may have, in any case."""
    cdef int64_t dot = n - 1, size
    cdef uint8_t low[ENDING_MAX]
    cdef int64_t k
    while dot > 0 and p[dot] != 46:
        dot -= 1
    size = n - dot - 1
    if dot <= 0 or p[0] == 46 or size > ENDING_MAX:
        return False
    for k in range(size):
        low[k] = p[dot + 1 + k] | 32 if 65 <= p[dot + 1 + k] <= 90 else p[dot + 1 + k]
    for k in range(ENDINGS):
        if ending_sizes[k] == size and memcmp(&endings[k][0], low, <size_t>size) == 0:
            return True
    return False


def is_image_name(bytes name not None):
    """Whether a base name is an image's, by its ending alone."""
    return is_image(<const uint8_t *><const char *>name, len(name))


def images(const uint8_t[::1] blob not None, const int64_t[::1] starts not None,
           const uint8_t[::1] types not None, clean not None):
    """The images among members with these names (CSR) and tar types.

    Returns (rows, places, folders, names, name_starts, replaced, links, others): the members that
    are images, as int64 in bytes; for each the row of its folder in the list `folders`, as int32;
    their base names in CSR form; how many members a later one of the same name replaced; how many
    have an image's name, but no bytes of their own; and how many files are no images by name.
    `clean` is called with each folder's path, as bytes, and gives it as it is to be known.
    """
    cdef Py_ssize_t n = types.shape[0], i
    cdef const uint8_t *p
    cdef int64_t size, cut, count = 0, total = 0, links = 0, others = 0, replaced = 0, kept = 0
    cdef int64_t last_at = 0, last_size = -1
    cdef int32_t place = 0
    cdef uint64_t slots = 16, at, h
    cdef int64_t row
    cdef dict known = {}
    cdef list folders = []
    while slots < <uint64_t>n * 2:
        slots *= 2
    cdef int64_t *member = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t *base = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef int32_t *folder = <int32_t *>malloc((n + 1) * sizeof(int32_t))
    cdef int64_t *table = <int64_t *>calloc(slots, sizeof(int64_t))  # row + 1; 0 is free
    cdef bytes out_rows, out_places, out_names, out_starts
    cdef int64_t *out_row
    cdef int32_t *out_place
    cdef int64_t *out_start
    cdef char *out_name
    try:
        if member == NULL or base == NULL or folder == NULL or table == NULL:
            raise MemoryError
        for i in range(n):
            if types[i] == 53:  # '5', a folder
                continue
            p = &blob[0] + starts[i] if blob.shape[0] else NULL
            size = starts[i + 1] - starts[i]
            while size >= 2 and p[0] == 46 and p[1] == 47:
                p += 2
                size -= 2
            while size and p[0] == 47:
                p += 1
                size -= 1
            cut = size
            while cut and p[cut - 1] != 47:
                cut -= 1
            if not is_image(p + cut, size - cut):
                others += 1
                continue
            if types[i] != 48:  # '0', a file
                links += 1
                continue
            if cut != last_size or memcmp(p, &blob[0] + last_at, <size_t>cut) != 0:
                written = (<const char *>p)[:cut - 1 if cut else 0]
                if written not in known:
                    key = clean(written)
                    if key not in known:
                        known[key] = len(folders)
                        folders.append(key)
                    known[written] = known[key]
                place = known[written]
                last_at, last_size = p - &blob[0], cut
            h = 14695981039346656037ULL ^ <uint64_t>place
            for row in range(cut, size):
                h = (h ^ p[row]) * 1099511628211ULL
            at = (h ^ (h >> 29)) & (slots - 1)
            while table[at]:
                row = table[at] - 1
                if folder[row] == place and starts[member[row] + 1] - base[row] == size - cut \
                        and memcmp(&blob[0] + base[row], p + cut, <size_t>(size - cut)) == 0:
                    member[row] = -1
                    replaced += 1
                    break
                at = (at + 1) & (slots - 1)
            table[at] = count + 1
            member[count] = i
            base[count] = p + cut - &blob[0]
            folder[count] = place
            count += 1
        for row in range(count):
            if member[row] >= 0:
                kept += 1
                total += starts[member[row] + 1] - base[row]
        out_rows = PyBytes_FromStringAndSize(NULL, 8 * kept)
        out_places = PyBytes_FromStringAndSize(NULL, 4 * kept)
        out_starts = PyBytes_FromStringAndSize(NULL, 8 * (kept + 1))
        out_names = PyBytes_FromStringAndSize(NULL, total)
        out_row = <int64_t *>PyBytes_AS_STRING(out_rows)
        out_place = <int32_t *>PyBytes_AS_STRING(out_places)
        out_start = <int64_t *>PyBytes_AS_STRING(out_starts)
        out_name = PyBytes_AS_STRING(out_names)
        out_start[0] = 0
        kept = 0
        for row in range(count):
            if member[row] >= 0:
                size = starts[member[row] + 1] - base[row]
                memcpy(out_name + out_start[kept], &blob[0] + base[row], <size_t>size)
                out_row[kept] = member[row]
                out_place[kept] = folder[row]
                out_start[kept + 1] = out_start[kept] + size
                kept += 1
        return out_rows, out_places, folders, out_names, out_starts, replaced, links, others
    finally:
        free(member)
        free(base)
        free(folder)
        free(table)


cdef enum:
    FOLDER = 1
    ARCHIVE = 2
    OTHER = 3
    NOT_REGULAR = -1


cdef struct found:
    char *names
    int64_t names_bytes, names_room
    int64_t *sizes    # of an image its bytes, of another entry its kind
    int64_t *ends     # where its name ends
    int64_t count, room


cdef bint add_name(found *f, const char *name, int64_t size) noexcept nogil:
    cdef void *grown
    if f.names_bytes + size > f.names_room:
        grown = realloc(f.names, <size_t>(2 * (f.names_bytes + size) + 1024))
        if grown == NULL:
            return False
        f.names = <char *>grown
        f.names_room = 2 * (f.names_bytes + size) + 1024
    memcpy(f.names + f.names_bytes, name, <size_t>size)
    f.names_bytes += size
    return True


cdef bint add_image(found *f, const char *name, int64_t bytes_of) noexcept nogil:
    cdef void *grown
    if f.count == f.room:
        grown = realloc(f.sizes, <size_t>(8 * (2 * f.room + 64)))
        if grown == NULL:
            return False
        f.sizes = <int64_t *>grown
        grown = realloc(f.ends, <size_t>(8 * (2 * f.room + 64)))
        if grown == NULL:
            return False
        f.ends = <int64_t *>grown
        f.room = 2 * f.room + 64
    if not add_name(f, name, <int64_t>strlen(name)):
        return False
    f.sizes[f.count] = bytes_of
    f.ends[f.count] = f.names_bytes
    f.count += 1
    return True


cdef bint is_archive(const char *name, size_t n) noexcept nogil:
    return n >= 4 and name[n - 4] == 46 and name[n - 3] | 32 == 116 and name[n - 2] | 32 == 97 \
        and name[n - 1] | 32 == 114


cdef int kind_of(int fd, dirent *entry, stat_t *status) noexcept nogil:
    """What an entry is: 0 for an image, whose status is filled in; FOLDER, ARCHIVE or OTHER;
    NOT_REGULAR for a link of an image's name that leads to none; errno + OTHER where it cannot be
    found out. Links are followed."""
    cdef unsigned char type = entry.d_type
    cdef size_t n = strlen(entry.d_name)
    cdef bint link
    cdef int failed = 0
    if type == DT_UNKNOWN:
        if fstatat(fd, entry.d_name, status, AT_SYMLINK_NOFOLLOW):
            return errno.errno + OTHER
        if S_ISDIR(status.st_mode):
            type = DT_DIR
        elif S_ISREG(status.st_mode):
            type = DT_REG
        elif S_ISLNK(status.st_mode):
            type = DT_LNK
    link = type == DT_LNK
    if link:
        if fstatat(fd, entry.d_name, status, 0):
            failed = errno.errno
            if failed != errno.ENOENT:
                return failed + OTHER
        elif S_ISDIR(status.st_mode):
            type = DT_DIR
    if type == DT_DIR:
        return FOLDER
    if (link or type == DT_REG) and is_image(<const uint8_t *>entry.d_name, <int64_t>n):
        if failed:  # a link to nothing
            return failed + OTHER
        if not link and fstatat(fd, entry.d_name, status, 0):
            return errno.errno + OTHER
        return 0 if S_ISREG(status.st_mode) else NOT_REGULAR
    if is_archive(entry.d_name, n):
        return ARCHIVE
    # A class's folder may have been behind a link that leads to nothing.
    return failed + OTHER if failed else OTHER


def entries(bytes path not None):
    """What a folder holds, without the GIL; hidden entries are passed over.

    Returns (names, name_ends, sizes, folders, archives, others, odd): the images' base names, where
    each ends and each file's bytes, as bytes that hold uint8 and int64; the names of folders, and
    of what ends in ".tar"; how many others there are; and the name of a link that has an image's
    name and leads to no regular file, at which this ends, or None. Links are followed. OSError,
    with the path of what it is about, for what cannot be read.
    """
    cdef found images, rest
    cdef DIR *folder
    cdef dirent *entry
    cdef stat_t status
    cdef int fd, kind = OTHER, error = 0
    cdef int64_t others = 0
    cdef bint memory = True
    cdef const char *c_path = path
    cdef bytes odd = None, name
    images = found(NULL, 0, 0, NULL, NULL, 0, 0)
    rest = found(NULL, 0, 0, NULL, NULL, 0, 0)
    name = b""
    try:
        with nogil:
            folder = opendir(c_path)
            if folder == NULL:
                error = errno.errno
        if folder == NULL:
            raise OSError(error, os.strerror(error), path)
        try:
            with nogil:
                fd = dirfd(folder)
                while memory:
                    errno.errno = 0
                    entry = readdir(folder)
                    if entry == NULL:
                        error = errno.errno
                        break
                    if entry.d_name[0] == 46:
                        continue
                    kind = kind_of(fd, entry, &status)
                    if kind == 0:
                        memory = add_image(&images, entry.d_name, status.st_size)
                    elif kind == FOLDER or kind == ARCHIVE:
                        memory = add_image(&rest, entry.d_name, kind)
                    elif kind == OTHER:
                        others += 1
                    else:
                        break
            if not memory:
                raise MemoryError
            if entry != NULL:
                name = entry.d_name
        finally:
            closedir(folder)
        if name:
            if kind != NOT_REGULAR:
                error = kind - OTHER
                raise OSError(error, os.strerror(error), os.path.join(path, name))
            odd = name
        elif error:
            raise OSError(error, os.strerror(error), path)
        folders, archives = [], []
        for i in range(rest.count):
            begin = rest.ends[i - 1] if i else 0
            (folders if rest.sizes[i] == FOLDER else archives).append(
                rest.names[begin:rest.ends[i]]
            )
        return (
            images.names[:images.names_bytes] if images.count else b"",
            (<char *>images.ends)[:8 * images.count] if images.count else b"",
            (<char *>images.sizes)[:8 * images.count] if images.count else b"",
            folders, archives, others, odd,
        )
    finally:
        free(images.names)
        free(images.sizes)
        free(images.ends)
        free(rest.names)
        free(rest.sizes)
        free(rest.ends)
