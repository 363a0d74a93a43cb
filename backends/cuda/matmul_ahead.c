/* Which products ask for weights ahead of their use. */
#include <string.h>

#include "backends/cuda/cuda_program.h"
#include "backends/cuda/matmul_plan.h"

/* Beside what attention itself reads, the weights stay in the second cache until they are used. */
enum { FEW_KEYS = 4096, SHARE_OF_CACHE = 4 };

static bool after_attention(const cuda_plan *p) {
    if (p->n_launches < 2) return false;
    const cuda_launch *before = &p->launches[p->n_launches - 2];
    return before->source && (!strcmp(before->source, "attention_decode.cu") || !strcmp(before->source, "attention_merge.cu"));
}

static int64_t part_of(const cuda_tensor *w, int64_t most) {
    const int64_t bytes = (int64_t)w->bytes < most ? (int64_t)w->bytes : most;
    return bytes / 16 * 16;
}

/* The launch that waits to be told of the next weights is told of a and b. */
static void tell(cuda_plan *p, cuda_tensor *a, cuda_tensor *b) {
    if (p->ahead.launch == BP_NONE) return;
    cuda_arg *at = &p->launches[p->ahead.launch].args[p->ahead.arg];
    const int64_t most = p->device->l2_bytes / SHARE_OF_CACHE / (b ? 2 : 1);
    cuda_tensor *w[] = { a, b };
    for (int i = 0; i < 2 && w[i]; i++) {
        at[2 * i] = (cuda_arg){ .kind = CUDA_ARG_READ, .tensor = w[i] };
        at[2 * i + 1].number.l = part_of(w[i], most);
    }
    p->ahead.launch = BP_NONE;
}

void matmul_ahead(cuda_plan *p, cuda_launch *l, int64_t tokens, cuda_tensor *a, cuda_tensor *b) {
    if (a->role != BP_ROLE_WEIGHT || (b && b->role != BP_ROLE_WEIGHT)) return;
    tell(p, a, b);
    if (tokens != 1 || p->device->major < 9 || !p->device->overlap || cuda_plan_longest(p) > FEW_KEYS) return;
    if (!after_attention(p) || l == &p->spare) return;
    matmul_option(p, l, "BP_AHEAD", 1);
    cuda_arg_int64(l, part_of(a, p->device->l2_bytes / SHARE_OF_CACHE));
    p->ahead = (cuda_maker){ p->n_launches - 1, l->n_args };
    for (int i = 0; i < 2; i++) {
        cuda_arg_read(l, NULL);
        cuda_arg_int64(l, 0);
    }
}
