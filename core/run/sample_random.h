/* Random numbers by counter: number i of a seed is computed from both alone, the same on every machine.
 * Source: Philox 4x32 with 10 rounds: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. */
#ifndef BP_RUN_SAMPLE_RANDOM_H
#define BP_RUN_SAMPLE_RANDOM_H

#include <stdint.h>

/* The block of four numbers that belongs to a counter and a key; in place. */
static inline void bp_philox(uint32_t block[4], uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)block[0] * 0xD2511F53u, b = (uint64_t)block[2] * 0xCD9E8D57u;
        uint32_t next[4] = { (uint32_t)(b >> 32) ^ block[1] ^ key0, (uint32_t)b, (uint32_t)(a >> 32) ^ block[3] ^ key1,
                             (uint32_t)a };
        for (int i = 0; i < 4; i++) block[i] = next[i];
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/* 64 random bits: the first half of the block of (counter, 0) under the key `seed`. */
static inline uint64_t bp_random_bits(uint64_t seed, uint64_t counter) {
    uint32_t block[4] = { (uint32_t)counter, (uint32_t)(counter >> 32), 0, 0 };
    bp_philox(block, (uint32_t)seed, (uint32_t)(seed >> 32));
    return block[0] | (uint64_t)block[1] << 32;
}

/* Uniform in [0, 1), a multiple of 2^-53. */
static inline double bp_random_unit(uint64_t seed, uint64_t counter) {
    return (double)(bp_random_bits(seed, counter) >> 11) * 0x1p-53;
}

#endif
