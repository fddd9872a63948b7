#include "crc32c_impl.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "fastconv writes little-endian formats straight from memory; this machine is big-endian"
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* Polynomials over GF(2) modulo the CRC's, bits reflected: bit 31 is x^0. */
#define POLY 0x82F63B78u
#define X0 0x80000000u
#define X8 0x00800000u

/* Three streams run at once because the instruction has a latency of three and a throughput of
   one; LONG suits a photograph, SHORT what is left of it. */
#define LONG 4096
#define SHORT 256

static uint32_t bytewise[8][256];      /* slicing by 8, for machines without the instruction */
static uint32_t shift_long[4][256];    /* times x^(8 LONG) */
static uint32_t shift_short[4][256];   /* times x^(8 SHORT) */
static uint32_t shift_size[8][256];    /* times x^(8 b 256^k), k the row */

static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a; a <<= 1) {
        if (a & X0)
            product ^= b;
        b = (b >> 1) ^ (POLY & (0u - (b & 1)));
    }
    return product;
}

static void make_shift(uint32_t table[4][256], size_t bytes)
{
    uint32_t power = X0;
    for (size_t i = 0; i < bytes; i++)
        power = multiply(power, X8);
    for (int k = 0; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++)
            table[k][b] = multiply(b << (8 * k), power);
}

static inline uint32_t shifted(uint32_t table[4][256], uint32_t crc)
{
    return table[0][crc & 255] ^ table[1][(crc >> 8) & 255] ^ table[2][(crc >> 16) & 255] ^
           table[3][crc >> 24];
}

static uint32_t kernel_table(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v ^= crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= bytewise[7 - k][(v >> (8 * k)) & 255];
    }
    while (n--)
        crc = (crc >> 8) ^ bytewise[0][(crc ^ *p++) & 255];
    return crc;
}

/* One body for both instruction sets: STEP8 and STEP1 take the running CRC and the next bytes. */
#define THREE_STREAMS(NAME, TARGET, STEP8, STEP1)                                      \
    TARGET static uint32_t NAME(uint32_t crc, const uint8_t *p, size_t n)              \
    {                                                                                  \
        for (int long_turn = 1; long_turn >= 0; long_turn--) {                         \
            const size_t run = long_turn ? LONG : SHORT;                               \
            for (; n >= 3 * run; p += 3 * run, n -= 3 * run) {                         \
                uint64_t a = crc, b = 0, c = 0, v, w, x;                               \
                for (size_t i = 0; i < run; i += 8) {                                  \
                    memcpy(&v, p + i, 8);                                              \
                    memcpy(&w, p + run + i, 8);                                        \
                    memcpy(&x, p + 2 * run + i, 8);                                    \
                    a = STEP8(a, v);                                                   \
                    b = STEP8(b, w);                                                   \
                    c = STEP8(c, x);                                                   \
                }                                                                      \
                uint32_t(*table)[256] = long_turn ? shift_long : shift_short;          \
                crc = shifted(table, (uint32_t)a) ^ (uint32_t)b;                       \
                crc = shifted(table, crc) ^ (uint32_t)c;                               \
            }                                                                          \
        }                                                                              \
        for (; n >= 8; p += 8, n -= 8) {                                               \
            uint64_t v;                                                                \
            memcpy(&v, p, 8);                                                          \
            crc = (uint32_t)STEP8(crc, v);                                             \
        }                                                                              \
        while (n--)                                                                    \
            crc = STEP1(crc, *p++);                                                    \
        return crc;                                                                    \
    }

#if defined(__x86_64__)
#define HARDWARE "sse4.2"
THREE_STREAMS(kernel_hardware, __attribute__((target("sse4.2"))), __builtin_ia32_crc32di,
              __builtin_ia32_crc32qi)
static int has_hardware(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#define HARDWARE "armv8-crc"
#include <arm_acle.h>
#define ARM8(crc, v) __crc32cd((uint32_t)(crc), v)
THREE_STREAMS(kernel_hardware, __attribute__((target("+crc"))), ARM8, __crc32cb)
static int has_hardware(void)
{
#if defined(__APPLE__)
    return 1;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
    return 0;
#endif
}
#endif

static uint32_t (*kernel)(uint32_t, const uint8_t *, size_t) = kernel_table;

void fc_crc32c_init(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (POLY & (0u - (crc & 1)));
        bytewise[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t b = 0; b < 256; b++)
            bytewise[k][b] = (bytewise[k - 1][b] >> 8) ^ bytewise[0][bytewise[k - 1][b] & 255];
    make_shift(shift_long, LONG);
    make_shift(shift_short, SHORT);
    uint32_t step = X8;
    for (int k = 0; k < 8; k++) {
        uint32_t power = X0;
        for (int b = 0; b < 256; b++) {
            shift_size[k][b] = power;
            power = multiply(power, step);
        }
        step = power;
    }
#ifdef HARDWARE
    if (has_hardware())
        kernel = kernel_hardware;
#endif
}

uint32_t fc_crc32c(uint32_t crc, const void *p, size_t n)
{
    return ~kernel(~crc, p, n);
}

uint32_t fc_crc32c_join(uint32_t crc_a, uint32_t crc_b, uint64_t size_b)
{
    for (int k = 0; k < 8; k++, size_b >>= 8)
        if (size_b & 255)
            crc_a = multiply(shift_size[k][size_b & 255], crc_a);
    return crc_a ^ crc_b;
}

const char *fc_crc32c_kernel(void)
{
#ifdef HARDWARE
    if (kernel == kernel_hardware)
        return HARDWARE;
#endif
    return "table";
}

int fc_crc32c_force(const char *name)
{
#ifdef HARDWARE
    if (strcmp(name, HARDWARE) == 0 && has_hardware()) {
        kernel = kernel_hardware;
        return 0;
    }
#endif
    if (strcmp(name, "table") == 0) {
        kernel = kernel_table;
        return 0;
    }
    return -1;
}
