/* CRC32C (Castagnoli, RFC 3720 appendix B.4), the checksum of TFRecord frames. */
#ifndef FASTCONV_CRC32C_H
#define FASTCONV_CRC32C_H
#include <stddef.h>
#include <stdint.h>

/* Prepares the tables and picks the kernel; call once before the others. */
void fc_crc32c_init(void);

/* CRC of what gave `crc` followed by the n bytes at p; start with crc = 0. */
uint32_t fc_crc32c(uint32_t crc, const void *p, size_t n);

/* CRC of A followed by B, from the CRC of each and the size of B. */
uint32_t fc_crc32c_join(uint32_t crc_a, uint32_t crc_b, uint64_t size_b);

/* Name of the kernel in use; fc_crc32c_force returns 0, or -1 where this machine lacks it. */
const char *fc_crc32c_kernel(void);
int fc_crc32c_force(const char *name);

static inline uint32_t fc_crc32c_mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}
#endif
