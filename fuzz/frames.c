/* The walk over the frames of a TFRecord file. By contract end >= 0; it may be behind the file's
   end, as it is when a file is cut short while it is read. */
#include "fuzz.h"

#include "../ext/frames_impl.h"

static void check_lines(const fc_frames *f)
{
    int64_t at = 0, records = 0;
    size_t done = 0;
    while (done < f->used) {
        char line[64], *end = memchr(f->lines + done, '\n', f->used - done);
        CHECK(end);
        size_t n = (size_t)(end - f->lines) - done;
        long long offset, bytes;
        CHECK(n < sizeof line);
        memcpy(line, f->lines + done, n);
        line[n] = 0;
        CHECK(sscanf(line, "%lld %lld", &offset, &bytes) == 2);
        CHECK(offset == at && bytes >= FC_FRAMES_OVERHEAD);
        at += bytes;
        records++;
        done += n + 1;
    }
    CHECK(at == f->at && records == f->record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int fd = -1;
    fc_frames frames, part;
    if (bytes < 1)
        return -1;
    fc_frames_init();
    int64_t end = (int64_t)bytes - 1 + (int8_t)data[0];
    end = end < 0 ? 0 : end;
    fuzz_file(&fd, data + 1, bytes - 1);

    int why = fc_frames_index(&frames, fd, end);
    CHECK(why >= FC_FRAMES_WHOLE && why <= FC_FRAMES_CUT && why != FC_FRAMES_READ);
    CHECK(frames.error == 0);
    CHECK(why == FC_FRAMES_WHOLE ? frames.at == end : frames.at < end);
    check_lines(&frames);

    /* Up to where it stopped, the file is whole; a byte less, and it is not. */
    CHECK(fc_frames_index(&part, fd, frames.at) == FC_FRAMES_WHOLE);
    CHECK(part.used == frames.used && part.record == frames.record);
    CHECK(!part.used || memcmp(part.lines, frames.lines, part.used) == 0);
    fc_frames_free(&part);
    if (frames.record) {
        CHECK(fc_frames_index(&part, fd, frames.at - 1) == FC_FRAMES_CUT);
        CHECK(part.record == frames.record - 1);
        fc_frames_free(&part);
    }
    fc_frames_free(&frames);

    CHECK(fc_frames_index(&frames, -1, end) == (end ? FC_FRAMES_READ : FC_FRAMES_WHOLE));
    fc_frames_free(&frames);
    return 0;
}

/* Behind nearly every mutation checksums are made right, or none would be passed. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned int seed)
{
    static int fd = -1;
    bytes = LLVMFuzzerMutate(data, bytes, bytes_max);
    fc_frames_init();
    for (int turn = 0; turn < 8 && seed % 8 && bytes > 1; turn++) {
        fc_frames frames;
        int why = fc_frames_index(&frames, fuzz_file(&fd, data + 1, bytes - 1),
                                  (int64_t)bytes - 1);
        uint8_t *head = data + 1 + frames.at;
        fc_frames_free(&frames);
        if (why != FC_FRAMES_HEAD_WRONG)
            break;
        uint32_t crc = fc_frames_masked(head, 8);
        memcpy(head + 8, &crc, 4);
    }
    return bytes;
}
