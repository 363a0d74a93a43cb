#define _GNU_SOURCE
#include "matmul.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

const char *cpu_level_name(enum cpu_level level) {
    static const char *const names[CPU_LEVELS] = { "portable", "avx2", "avx512vnni", "amx" };
    return (unsigned)level < CPU_LEVELS ? names[level] : "?";
}

#if defined(__x86_64__)
#include <cpuid.h>

/* Register states that the system saves: XCR0. */
static uint64_t saved_states(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_avx2(void) {
    unsigned a, b, c, d, b7, c7, d7;
    if ((saved_states() & 0x6) != 0x6 || !__get_cpuid(1, &a, &b, &c, &d)) return false;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return false;
    bool base = (c & bit_AVX) && (c & bit_FMA) && (c & bit_F16C);
    return base && (b7 & bit_AVX2) && (b7 & bit_BMI2);
}

static bool has_avx512(void) {
    unsigned a, b, c, d;
    if (!has_avx2() || (saved_states() & 0xe6) != 0xe6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const unsigned base = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    const unsigned more = 1u << 1 | 1u << 11;                        /* VBMI, VNNI */
    return (b & base) == base && (c & more) == more;
}

/* AMX_TILE, AMX_BF16 and AVX512_BF16, and the system's leave to use tiles: it is asked once for the whole process. */
static bool has_amx(void) {
    unsigned a, b, c, d;
    if (!has_avx512() || (saved_states() & 0x60000) != 0x60000 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const unsigned need = 1u << 22 | 1u << 24;
    if ((d & need) != need || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & 1u << 5)) return false;
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}
#else
static bool has_amx(void) { return false; }
static bool has_avx2(void) { return false; }
static bool has_avx512(void) { return false; }
#endif

bool cpu_level_usable(enum cpu_level level) {
    switch (level) {
    case CPU_PORTABLE: return true;
    case CPU_AVX2: return has_avx2();
    case CPU_AVX512: return has_avx512();
    case CPU_AMX: return has_amx();
    default: return false;
    }
}

enum cpu_level cpu_level_best(void) {
    if (cpu_level_usable(CPU_AMX)) return CPU_AMX;
    return cpu_level_usable(CPU_AVX512) ? CPU_AVX512 : cpu_level_usable(CPU_AVX2) ? CPU_AVX2 : CPU_PORTABLE;
}
