#include <string.h>

#include "matmul.h"

float cpu_half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023, bits;
    if (exponent == 0) {
        float f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Round to nearest even of value >> shift. */
static uint32_t shift_even(uint32_t value, uint32_t shift) {
    uint32_t half = 1u << (shift - 1), rest = value & ((1u << shift) - 1), up = value >> shift;
    return up + (rest > half || (rest == half && (up & 1)));
}

uint16_t cpu_float_to_half(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff, h;
    if (rest > 0x7f800000) h = 0x7e00;
    else if (rest >= 0x47800000) h = 0x7c00;
    else if (rest >= 0x38800000) h = shift_even(rest - 0x38000000, 13);
    else if (rest < 0x33000000) h = 0;
    else h = shift_even((rest & 0x7fffff) | 0x800000, 126 - (rest >> 23));
    return (uint16_t)(sign | h);
}
