/* Random numbers by counter: number i of a seed is computed from both alone.
 * Source: SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. */
#ifndef BP_RUN_SAMPLE_RANDOM_H
#define BP_RUN_SAMPLE_RANDOM_H

#include <stdint.h>

/* Output number `counter`, counted from 0, of SplitMix64 seeded with `seed`. */
static inline uint64_t bp_random_bits(uint64_t seed, uint64_t counter) {
    uint64_t z = seed + (counter + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Uniform in [0, 1), a multiple of 2^-53. */
static inline double bp_random_unit(uint64_t seed, uint64_t counter) {
    return (double)(bp_random_bits(seed, counter) >> 11) * 0x1p-53;
}

#endif
