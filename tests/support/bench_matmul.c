/* Checks the CPU backend's matrix products of each type, level and layout against double precision, then times them.
 * Build by hand with the files of backends/cpu that it needs (level.c, pack.c, weight.c, activation.c, decode_half.c,
 * matmul*.c, each level's file with that level's flags). To measure as well:
 *   time [TYPE|all [LEVEL [TOKENS [rows [exact]]]]]
 * Times are this thread's CPU time, so that a shared machine changes them little. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/cpu/matmul.h"
#include "backplane/types.h"

static const uint32_t types[] = { BP_TYPE_F32,  BP_TYPE_F16,  BP_TYPE_BF16, BP_TYPE_Q4_0, BP_TYPE_Q4_1, BP_TYPE_Q5_0, BP_TYPE_Q5_1,
                                  BP_TYPE_Q8_0, BP_TYPE_Q2_K, BP_TYPE_Q3_K, BP_TYPE_Q4_K, BP_TYPE_Q5_K, BP_TYPE_Q6_K };
enum { N_TYPES = sizeof types / sizeof *types };

static float noise(void) { return (float)rand() / (float)RAND_MAX - 0.5f; }

static void put_half(uint8_t *at, float f) {
    uint16_t h = cpu_float_to_half(f);
    memcpy(at, &h, 2);
}

static void fill_floats(uint32_t type, uint8_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float f = noise();
        uint32_t bits;
        memcpy(&bits, &f, 4);
        uint16_t top = (uint16_t)(bits >> 16);
        if (type == BP_TYPE_F32) memcpy(data + 4 * i, &f, 4);
        else if (type == BP_TYPE_F16) put_half(data + 2 * i, f);
        else memcpy(data + 2 * i, &top, 2);
    }
}

/* Random bytes with scales of a sensible size. */
static void fill_blocks(uint32_t type, uint8_t *data, size_t bytes) {
    bp_type_info t = bp_type(type);
    int at_d = type == BP_TYPE_Q2_K ? 80 : type == BP_TYPE_Q3_K ? 108 : type == BP_TYPE_Q6_K ? 208 : 0;
    bool two = type == BP_TYPE_Q4_1 || type == BP_TYPE_Q5_1 || type == BP_TYPE_Q2_K || type == BP_TYPE_Q4_K || type == BP_TYPE_Q5_K;
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(rand() >> 7);
    for (size_t b = 0; b < bytes; b += t.block_bytes) {
        put_half(data + b + at_d, noise() * 0.1f);
        if (two) put_half(data + b + at_d + 2, noise() * 0.1f);
    }
}

static void *allocate(uint64_t n) {
    void *p = aligned_alloc(64, (n + 127) / 64 * 64);
    if (!p) exit(2);
    return p;
}

typedef struct bench_case {
    uint32_t type;
    int64_t n_in, n_out, n_tokens;
    uint8_t *rows;
    float *x, *bias;
    double *expected;
    double size; /* root mean square of expected */
} bench_case;

static void expect(bench_case *c) {
    cpu_weight w = { c->rows, c->type, BP_LAYOUT_ROWS, c->n_in, c->n_out };
    float *row = allocate((uint64_t)c->n_in * 4);
    double squares = 0;
    for (int64_t o = 0; o < c->n_out; o++) {
        cpu_weight_row(&w, o, row);
        for (int64_t t = 0; t < c->n_tokens; t++) {
            double sum = c->bias[o];
            for (int64_t i = 0; i < c->n_in; i++) sum += (double)row[i] * (double)c->x[i + t * c->n_in];
            c->expected[o + t * c->n_out] = sum;
            squares += sum * sum;
        }
    }
    c->size = sqrt(squares / (double)(c->n_out * c->n_tokens));
    free(row);
}

static bench_case new_case(uint32_t type, int64_t n_in, int64_t n_out, int64_t n_tokens) {
    bench_case c = { type, n_in, n_out, n_tokens, NULL, NULL, NULL, NULL, 0 };
    uint64_t bytes = bp_row_bytes(type, n_in) * (uint64_t)n_out;
    c.rows = allocate(bytes);
    if (bp_type(type).block_values == 1) fill_floats(type, c.rows, (size_t)(n_in * n_out));
    else fill_blocks(type, c.rows, bytes);
    c.x = allocate((uint64_t)(n_in * n_tokens) * 4);
    c.bias = allocate((uint64_t)n_out * 4);
    c.expected = allocate((uint64_t)(n_out * n_tokens) * 8);
    for (int64_t i = 0; i < n_in * n_tokens; i++) c.x[i] = noise();
    for (int64_t i = 0; i < n_out; i++) c.bias[i] = noise();
    return c;
}

static void free_case(bench_case *c) {
    free(c->rows);
    free(c->x);
    free(c->bias);
    free(c->expected);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct bench_run {
    cpu_weight w;
    uint32_t format;
    void *data, *prepared, *room;
    float *out;
} bench_run;

static bench_run new_run(const bench_case *c, enum cpu_level level, bool repack, bool exact) {
    bp_weight_layout l = { .size = sizeof l };
    cpu_weight_layout(level, c->type, c->n_in, c->n_out, 1, repack, &l);
    bench_run r = { { NULL, c->type, l.layout, c->n_in, c->n_out }, 0, allocate(l.bytes), NULL, NULL, NULL };
    r.w.data = r.data;
    for (int64_t first = 0; first < c->n_out; first += 32) {
        int64_t n = c->n_out - first < 32 ? c->n_out - first : 32;
        cpu_weight_pack(level, &r.w, c->rows + bp_row_bytes(c->type, c->n_in) * (uint64_t)first, first, n, r.data);
    }
    r.format = cpu_activation_format(level, c->type, l.layout, exact);
    r.prepared = allocate(cpu_activation_bytes(r.format, c->n_in, c->n_tokens));
    cpu_activation_prepare(level, r.format, c->x, c->n_in, c->n_tokens, 0, c->n_tokens, r.prepared);
    r.room = allocate(cpu_matmul_room(r.format, c->n_in, c->n_tokens));
    r.out = allocate((uint64_t)(c->n_out * c->n_tokens) * 4);
    return r;
}

static void free_run(bench_run *r) {
    free(r->data);
    free(r->prepared);
    free(r->room);
    free(r->out);
}

static bool same_rows(const bench_case *c, const bench_run *r) {
    cpu_weight plain = { c->rows, c->type, BP_LAYOUT_ROWS, c->n_in, c->n_out };
    float *a = allocate((uint64_t)c->n_in * 4), *b = allocate((uint64_t)c->n_in * 4);
    bool same = true;
    for (int64_t o = 0; o < c->n_out; o++) {
        cpu_weight_row(&plain, o, a);
        cpu_weight_row(&r->w, o, b);
        same = same && !memcmp(a, b, (size_t)c->n_in * 4);
    }
    free(a);
    free(b);
    return same;
}

/* One token at a time gives the same bits as all at once (but on AMX). */
static bool same_alone(const bench_case *c, enum cpu_level level, const bench_run *r) {
    float *out = allocate((uint64_t)c->n_out * 4);
    bool same = true;
    for (int64_t t = 0; t < c->n_tokens && level != CPU_AMX; t++) {
        const char *x = (const char *)r->prepared + cpu_activation_bytes(r->format, c->n_in, 1) * (uint64_t)t;
        cpu_matmul(level, &r->w, r->format, x, 1, 0, c->n_out, c->bias, out, r->room);
        same = same && !memcmp(out, r->out + t * c->n_out, (size_t)c->n_out * 4);
    }
    free(out);
    return same;
}

static int check(bench_case *c, enum cpu_level level, bool repack, bool exact) {
    bench_run r = new_run(c, level, repack, exact);
    int64_t half = c->n_out / 2 / CPU_ROW_STEP * CPU_ROW_STEP;
    for (int64_t i = 0; i < c->n_out * c->n_tokens; i++) r.out[i] = NAN;
    cpu_matmul(level, &r.w, r.format, r.prepared, c->n_tokens, half, c->n_out, c->bias, r.out, r.room);
    cpu_matmul(level, &r.w, r.format, r.prepared, c->n_tokens, 0, half, c->bias, r.out, r.room);
    double squares = 0;
    for (int64_t i = 0; i < c->n_out * c->n_tokens; i++) squares += pow(r.out[i] - c->expected[i], 2);
    double error = sqrt(squares / (double)(c->n_out * c->n_tokens)) / c->size;
    bool good = error < (r.format ? 1e-2 : 1e-6) && same_rows(c, &r) && same_alone(c, level, &r);
    if (!good || level == cpu_level_best())
        printf("%-5s %-10s layout %u exact %d: error %.2e %s\n", bp_type(c->type).name, cpu_level_name(level), r.w.layout, exact, error,
               good ? "" : "WRONG");
    free_run(&r);
    return !good;
}

static int check_all(uint32_t type, int64_t n_in, int64_t n_out, int64_t n_tokens) {
    bench_case c = new_case(type, n_in, n_out, n_tokens);
    expect(&c);
    int wrong = 0;
    for (int level = 0; level < CPU_LEVELS; level++)
        for (int how = 0; how < 4 && cpu_level_usable((enum cpu_level)level); how++)
            wrong += check(&c, (enum cpu_level)level, how & 1, how & 2);
    free_case(&c);
    return wrong;
}

static void time_one(uint32_t type, enum cpu_level level, bool repack, int64_t n_tokens, bool exact) {
    int64_t n_in = 2048, n_out = n_tokens > 1 ? 2048 : 65536;
    bench_case c = new_case(type, n_in, n_out, n_tokens);
    bench_run r = new_run(&c, level, repack, exact);
    double best = 1e9;
    for (int i = 0; i < 4; i++) {
        double start = now();
        cpu_matmul(level, &r.w, r.format, r.prepared, n_tokens, 0, n_out, NULL, r.out, r.room);
        double took = now() - start;
        best = took < best ? took : best;
    }
    double bytes = (double)bp_row_bytes(type, n_in) * (double)n_out;
    printf("%-5s %-10s layout %u exact %d tokens %3d: %6.2f GB/s %7.1f GFLOP/s\n", bp_type(type).name, cpu_level_name(level),
           r.w.layout, exact, (int)n_tokens, bytes / best * 1e-9, 2e-9 * (double)(n_in * n_out * n_tokens) / best);
    free_run(&r);
    free_case(&c);
}

int main(int n, char **args) {
    int wrong = 0;
    for (int i = 0; i < N_TYPES; i++) {
        wrong += check_all(types[i], 768, 45, 7);
        wrong += check_all(types[i], 512, 48, 203);
        if (bp_type(types[i]).block_values < 256) wrong += check_all(types[i], 1120, 16, 1);
        if (bp_type(types[i]).block_values == 1) wrong += check_all(types[i], 1037, 19, 5);
    }
    printf("%d wrong\n", wrong);
    for (int i = 0; i < N_TYPES && n > 1 && !strcmp(args[1], "time"); i++) {
        if (n > 2 && strcmp(args[2], bp_type(types[i]).name) && strcmp(args[2], "all")) continue;
        enum cpu_level level = n > 3 ? (enum cpu_level)atoi(args[3]) : cpu_level_best();
        int64_t tokens[] = { 1, n > 4 ? atoi(args[4]) : 64 };
        for (int t = 0; t < 2; t++) time_one(types[i], level, n < 6, tokens[t], n > 6);
    }
    return wrong != 0;
}
