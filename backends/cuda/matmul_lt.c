/* A product on cuBLASLt: F32, half or bfloat16 operands, F32 sums and result. */
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/matmul_plan.h"

enum { WORKSPACE_BYTES = 32 << 20 };
enum { ARG_W, ARG_X, ARG_BIAS, ARG_OUT, ARG_WORKSPACE, ARG_TOKENS };

/* What one call multiplies; the algorithm found for the last number of tokens is kept. */
typedef struct lt_product {
    cudaDataType_t type;
    int64_t n_in, rows, out_rows, first;
    bool bias;
    pthread_mutex_t lock;
    int64_t tokens; /* that the algorithm is for; 0: none */
    cublasLtMatmulAlgo_t algorithm;
} lt_product;

typedef struct lt_operands {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t w, x, out;
} lt_operands;

static void operands_free(const cuda_blas *b, lt_operands *o) {
    if (o->product) b->MatmulDescDestroy(o->product);
    if (o->w) b->MatrixLayoutDestroy(o->w);
    if (o->x) b->MatrixLayoutDestroy(o->x);
    if (o->out) b->MatrixLayoutDestroy(o->out);
}

/* out [rows, tokens] = w' x in cuBLAS's columns: w is [n_in, rows], x [n_in, tokens]. */
static cublasStatus_t operands_new(const cuda_blas *b, const lt_product *q, int64_t tokens, const float *bias,
                                   lt_operands *o) {
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    memset(o, 0, sizeof *o);
    cublasStatus_t s = b->MatmulDescCreate(&o->product, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!s) s = b->MatmulDescSetAttribute(o->product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
    if (!s && bias)
        s = b->MatmulDescSetAttribute(o->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (!s && bias) s = b->MatmulDescSetAttribute(o->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    if (!s) s = b->MatrixLayoutCreate(&o->w, q->type, (uint64_t)q->n_in, (uint64_t)q->rows, q->n_in);
    if (!s) s = b->MatrixLayoutCreate(&o->x, q->type, (uint64_t)q->n_in, (uint64_t)tokens, q->n_in);
    if (!s) s = b->MatrixLayoutCreate(&o->out, CUDA_R_32F, (uint64_t)q->rows, (uint64_t)tokens, q->out_rows);
    return s;
}

static cublasStatus_t choose(const cuda_blas *b, cublasLtHandle_t handle, const lt_operands *o,
                             cublasLtMatmulAlgo_t *out) {
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t found;
    const uint64_t bytes = WORKSPACE_BYTES;
    int n = 0;
    cublasStatus_t s = b->MatmulPreferenceCreate(&preference);
    if (!s)
        s = b->MatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes);
    if (!s) s = b->MatmulAlgoGetHeuristic(handle, o->product, o->w, o->x, o->out, o->out, preference, 1, &found, &n);
    if (preference) b->MatmulPreferenceDestroy(preference);
    if (!s && !n) s = CUBLAS_STATUS_NOT_SUPPORTED;
    if (!s) *out = found.algo;
    return s;
}

static cublasStatus_t algorithm_for(const cuda_call *c, lt_product *q, int64_t tokens, const lt_operands *o,
                                    cublasLtMatmulAlgo_t *out) {
    cublasStatus_t s = CUBLAS_STATUS_SUCCESS;
    pthread_mutex_lock(&q->lock);
    if (q->tokens != tokens) {
        q->tokens = 0;
        s = choose(c->device->blas, c->device->blas_handle, o, &q->algorithm);
        if (!s) q->tokens = tokens;
    }
    *out = q->algorithm;
    pthread_mutex_unlock(&q->lock);
    return s;
}

static bp_status run(const cuda_call *c, bp_error *error) {
    lt_product *q = (lt_product *)(uintptr_t)c->launch->self;
    const cuda_blas *b = c->device->blas;
    const int64_t tokens = c->size[ARG_TOKENS];
    const float one = 1, zero = 0;
    if (tokens <= 0) return BP_OK;
    const float *bias = q->bias ? (const float *)(uintptr_t)c->address[ARG_BIAS] + q->first : NULL;
    float *out = (float *)(uintptr_t)c->address[ARG_OUT] + q->first;
    lt_operands o;
    cublasLtMatmulAlgo_t algorithm;
    cublasStatus_t s = operands_new(b, q, tokens, bias, &o);
    if (!s) s = algorithm_for(c, q, tokens, &o, &algorithm);
    if (!s)
        s = b->Matmul(c->device->blas_handle, o.product, &one, (const void *)(uintptr_t)c->address[ARG_W], o.w,
                      (const void *)(uintptr_t)c->address[ARG_X], o.x, &zero, out, o.out, out, o.out, &algorithm,
                      (void *)(uintptr_t)c->address[ARG_WORKSPACE], WORKSPACE_BYTES, c->stream);
    operands_free(b, &o);
    return s ? cuda_fail(error, BP_E_INTERNAL, "cuda: cuBLASLt cannot multiply (status %d)", (int)s) : BP_OK;
}

bool matmul_lt(cuda_plan *p, const cuda_node *n, uint32_t type, cuda_tensor *w, int64_t first, int64_t rows,
               cuda_tensor *x) {
    bp_device *d = (bp_device *)(uintptr_t)cuda_plan_device(p);
    if (n->in[0]->n[0] % 4 || n->in[0]->n[1] % 4 || rows % 4 || !cuda_blas_ready(d)) return false;
    lt_product *q = cuda_plan_alloc(p, sizeof *q);
    cuda_tensor *workspace = cuda_scratch(p, WORKSPACE_BYTES);
    if (!q || !workspace) return true;
    q->type = type == BP_TYPE_F32 ? CUDA_R_32F : type == BP_TYPE_BF16 ? CUDA_R_16BF : CUDA_R_16F;
    q->n_in = n->in[0]->n[0], q->rows = rows, q->out_rows = n->in[0]->n[1], q->first = first;
    q->bias = n->in[2] != NULL;
    pthread_mutex_init(&q->lock, NULL);
    cuda_launch *l = cuda_add_call(p, n, "matmul", run, q);
    l->bytes = n->in[0]->bytes;
    cuda_arg_read(l, w);
    cuda_arg_read(l, x);
    cuda_arg_read(l, n->in[2]);
    cuda_arg_update(l, n->out[0]);
    cuda_arg_write(l, workspace);
    cuda_arg_size(l, n->in[1], CUDA_ROWS);
    return true;
}
