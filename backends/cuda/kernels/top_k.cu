// top_k of few rows, for at most 256 of each: many blocks a row find the likeliest of their parts, then one block those of all.
// (Of many rows or more of each: select.cu.) Keys stay in registers; the k-th is found by its bytes, the highest first.
#include "order.cuh"

enum { THREADS = 1024, KEYS = 8, MOST = 256 }; // a block takes THREADS * KEYS keys, and finds MOST at most

struct top_room {
    int counts[256], left, n_found;
    uint64_t prefix;
    bool whole; // all keys that begin with the prefix are among the k
};

// Add the digit of the k-th key to the prefix, from the counts of the keys' digits; a warp's lanes have 8 digits each.
static __device__ __forceinline__ void next_digit(top_room *room, int shift) {
    const int lane = threadIdx.x, left = room->left;
    int mine = 0;
    for (int j = 0; j < 8; j++) mine += room->counts[255 - 8 * lane - j];
    int above = mine;
    for (int by = 1; by < 32; by *= 2) {
        const int other = __shfl_up_sync(0xffffffffu, above, by);
        if (lane >= by) above += other;
    }
    above -= mine; // keys of higher digits than this lane's
    __syncwarp();  // all lanes have read what one of them changes now
    if (above >= left || above + mine < left) return;
    int digit = 255 - 8 * lane;
    while (above + room->counts[digit] < left) above += room->counts[digit--];
    room->prefix |= (uint64_t)digit << shift;
    room->left = left - above;
    room->whole = left - above == room->counts[digit];
}

// The least of the k greatest keys, of which there are at least k, all different; or a number between it and the next lower.
static __device__ uint64_t threshold(const uint64_t key[KEYS], int k, top_room *room) {
    if (threadIdx.x == 0) room->prefix = 0, room->left = k, room->whole = false;
    for (int shift = 56; shift >= 0; shift -= 8) {
        if (threadIdx.x < 256) room->counts[threadIdx.x] = 0;
        __syncthreads();
        const uint64_t prefix = room->prefix;
        if (room->whole) break;
#pragma unroll
        for (int i = 0; i < KEYS; i++) {
            if (key[i] && (shift == 56 || key[i] >> (shift + 8) == prefix >> (shift + 8)))
                atomicAdd(&room->counts[key[i] >> shift & 255], 1);
        }
        __syncthreads();
        if (threadIdx.x < 32) next_digit(room, shift);
        __syncthreads();
    }
    return room->prefix;
}

// The keys from `least` on to found, in no order.
static __device__ __forceinline__ void collect(const uint64_t key[KEYS], uint64_t least, uint64_t *found, top_room *room) {
    if (threadIdx.x == 0) room->n_found = 0;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < KEYS; i++)
        if (key[i] && key[i] >= least) found[atomicAdd(&room->n_found, 1)] = key[i];
    __syncthreads();
}

// Grid: x: parts, y: rows. found: [k, parts, rows]: keys in no order, 0 where a part has fewer than k values.
extern "C" __global__ void __launch_bounds__(1024)
top_k_parts(const float *x, uint64_t *found, bp_size n_, int k, bp_size rows_) {
    __shared__ top_room room;
    bp_wait_inputs();
    const int n = bp_get(n_), row = blockIdx.y, each = (n + gridDim.x - 1) / gridDim.x;
    if (row >= bp_get(rows_)) return;
    const int first = blockIdx.x * each, end = min(first + each, n);
    uint64_t key[KEYS], *mine = found + ((int64_t)row * gridDim.x + blockIdx.x) * k;
#pragma unroll
    for (int i = 0; i < KEYS; i++) {
        const int at = first + i * THREADS + threadIdx.x;
        key[i] = at < end ? bp_order(x[(int64_t)row * n + at], at) : 0;
    }
    for (int i = threadIdx.x; i < k; i += THREADS) mine[i] = 0;
    __syncthreads();
    collect(key, end - first > k ? threshold(key, k, &room) : 0, mine, &room);
}

// Grid: x: rows. found: [per_row, rows] keys, at least k of each row.
extern "C" __global__ void __launch_bounds__(1024)
top_k_merge(const float *x, const uint64_t *found, int per_row, float *values, int *ids, bp_size n_, int k, bp_size rows_) {
    __shared__ top_room room;
    __shared__ uint64_t best[MOST];
    bp_wait_inputs();
    const int row = blockIdx.x;
    if (row >= bp_get(rows_)) return;
    uint64_t key[KEYS];
#pragma unroll
    for (int i = 0; i < KEYS; i++) {
        const int at = i * THREADS + threadIdx.x;
        key[i] = at < per_row ? found[(int64_t)row * per_row + at] : 0;
    }
    collect(key, threshold(key, k, &room), best, &room);
    for (int i = threadIdx.x; i < k; i += THREADS) {
        int rank = 0;
        for (int j = 0; j < k; j++) rank += best[j] > best[i];
        const int id = bp_order_index(best[i]);
        const float v = x[(int64_t)row * bp_get(n_) + id];
        ids[row * k + rank] = id;
        values[row * k + rank] = v != v ? -BP_INFINITY : v;
    }
}
