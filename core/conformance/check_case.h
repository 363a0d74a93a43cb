/* Conformance: one-node graphs with inputs, and what a device must answer, computed in double precision. */
#ifndef BP_CHECK_CASE_H
#define BP_CHECK_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "backplane/graph.h"
#include "core/base/arena.h"

enum { BP_CHECK_VALUES = 12, BP_CHECK_KEYS = 1024 /* of a sequence, at most */ };
enum bp_check_symbol { BP_SYM_TOKENS = 1, BP_SYM_OUTPUTS, BP_SYM_SEQUENCES, BP_SYM_KV, BP_SYM_COUNT };

/* A dimension that is the number of a symbol: pass BP_SYM(BP_SYM_TOKENS, 5) among a value's dimensions. */
#define BP_SYM(symbol, n) ((int64_t)(symbol) << 40 | (n))
#define BP_TOK(n) BP_SYM(BP_SYM_TOKENS, n)
#define BP_DIMS(...) (const int64_t[BP_MAX_RANK + 1]){ __VA_ARGS__ } /* ends at the first 0 */

typedef struct bp_check_value {
    uint32_t type, role, rank;
    uint32_t symbol[BP_MAX_RANK];
    int64_t dim[BP_MAX_RANK], count; /* count: values in all */
    uint64_t bytes;
    void *data;    /* inputs, weights and states before the run: bytes as the type has them */
    double *real;  /* the same decoded; for what the node writes, what is expected */
    double energy; /* expected square of the result where terms may cancel; 0: the result's own */
} bp_check_value;

typedef union bp_check_params {
    bp_no_params none;
    bp_embed_rows_params embed;
    bp_route_experts_params route;
    bp_norm_params norm;
    bp_rope_params rope;
    bp_kv_write_params kv;
    bp_attention_params attention;
    bp_softmax_params softmax;
    bp_scale_params scale;
    bp_activation_params activation;
    bp_glu_params glu;
    bp_softcap_params softcap;
    bp_reduce_params reduce;
    bp_slice_params slice;
    bp_pool_params pool;
    bp_top_k_params top_k;
    bp_causal_conv_params conv;
    bp_ssm_scan_params scan;
    bp_delta_rule_params delta;
} bp_check_params;

typedef struct bp_check_case {
    char name[160];
    uint32_t op, n_values, n_in, n_out;
    bp_check_params params;
    bp_check_value value[BP_CHECK_VALUES];
    uint32_t in[BP_CHECK_VALUES], out[2];
    int64_t symbols[BP_SYM_COUNT];
    double tolerance; /* of the normalised mean squared error of float outputs; 0: exact */
    bp_arena arena;
    bool failed; /* out of memory while it was built */
} bp_check_case;

uint32_t bp_check_params_size(uint32_t op);
const char *bp_check_type_name(uint32_t type); /* "Q4_0"; "?" for an unknown one */

void bp_check_begin(bp_check_case *c, uint32_t op, double tolerance, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Add an input filled with random values (I32: zeros); or one that is left out; or an output. Gives the value's index.
 */
uint32_t bp_check_in(bp_check_case *c, uint32_t type, uint32_t role, const int64_t *dims);
void bp_check_none(bp_check_case *c);
void bp_check_again(bp_check_case *c, uint32_t i); /* input i once more */
uint32_t bp_check_out(bp_check_case *c, uint32_t type, uint32_t role, const int64_t *dims);
/* Set one element of a value of type I32 or F32. */
void bp_check_set(bp_check_case *c, uint32_t value, int64_t at, double number);
void bp_check_end(bp_check_case *c);

/* Fill in what the outputs must be (oracle*.c: written from ops.h alone). */
void bp_check_oracle(bp_check_case *c);

static inline const bp_check_value *bp_check_arg(const bp_check_case *c, uint32_t i) {
    return i < c->n_in && c->in[i] != BP_NONE ? &c->value[c->in[i]] : NULL;
}
static inline bp_check_value *bp_check_result(bp_check_case *c, uint32_t i) {
    return i < c->n_out && c->out[i] != BP_NONE ? &c->value[c->out[i]] : NULL;
}
static inline const double *bp_check_real(const bp_check_case *c, uint32_t i) {
    const bp_check_value *v = bp_check_arg(c, i);
    return v ? v->real : NULL;
}

/* A random number generator: the same numbers on every machine. */
double bp_check_random(void);            /* in [-1, 1) */
int64_t bp_check_below(int64_t n);       /* in [0, n) */
void bp_check_seed(uint64_t seed);

/* All cases, one after the other, given to the sink; only of op `only` where that is not 0, only those of the share. */
typedef void bp_check_sink(void *self, bp_check_case *c);
typedef struct bp_check_maker {
    bp_check_sink *sink;
    void *self;
    uint32_t only;
    struct bp_check_share *share; /* NULL: all of them (check_share.h) */
} bp_check_maker;
void bp_check_all(const bp_check_maker *m);
void bp_check_emit(const bp_check_maker *m, bp_check_case *c); /* oracle, sink, end */
static inline bool bp_check_wanted(const bp_check_maker *m, uint32_t op) { return !m->only || m->only == op; }
void bp_check_matmul_cases(const bp_check_maker *m);
void bp_check_moe_cases(const bp_check_maker *m);
void bp_check_attention_cases(const bp_check_maker *m);
void bp_check_row_cases(const bp_check_maker *m);
void bp_check_select_cases(const bp_check_maker *m);
void bp_check_recurrent_cases(const bp_check_maker *m);

/* Oracles of the parts. */
void bp_oracle_attention(bp_check_case *c);
void bp_oracle_scores(bp_check_case *c);
void bp_oracle_mix(bp_check_case *c);
void bp_oracle_softmax(bp_check_case *c);
void bp_oracle_kv_write(bp_check_case *c);
void bp_oracle_rope(bp_check_case *c);
void bp_oracle_embed(bp_check_case *c);
void bp_oracle_matmul(bp_check_case *c);
void bp_oracle_experts(bp_check_case *c);
void bp_oracle_route(bp_check_case *c);
void bp_oracle_combine(bp_check_case *c);
void bp_oracle_conv(bp_check_case *c);
void bp_oracle_scan(bp_check_case *c);
void bp_oracle_delta(bp_check_case *c);
double bp_oracle_activate(uint32_t f, double x, double low, double high);

#endif
