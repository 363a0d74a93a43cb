/* Memory: a pool of freed pieces, buffers, and copies through a ring of pinned memory. */
#include "backends/cuda/cuda_entry.h"
#include "backends/cuda/cuda_ring.h"

#include <stdlib.h>
#include <string.h>

enum { POOL_LARGEST = 16 << 20, POOL_PIECES = 512, UNIT = 512 };

struct cuda_block {
    CUdeviceptr address;
    uint64_t bytes;
};

static uint64_t rounded(uint64_t bytes) {
    uint64_t unit = bytes > (1u << 20) ? 1u << 20 : UNIT;
    return bytes ? (bytes + unit - 1) / unit * unit : UNIT;
}

void cuda_pool_free(bp_device *d) {
    for (uint32_t i = 0; i < d->n_pool; i++) d->cu->MemFree(d->pool[i].address);
    d->n_pool = 0;
    free(d->pool);
    d->pool = NULL;
    d->pool_capacity = 0;
}

/* A freed piece of this size, 0 where there is none. Under the lock. */
static CUdeviceptr pooled(bp_device *d, uint64_t bytes) {
    for (uint32_t i = d->n_pool; i-- > 0;) {
        if (d->pool[i].bytes != bytes) continue;
        CUdeviceptr address = d->pool[i].address;
        d->pool[i] = d->pool[--d->n_pool];
        return address;
    }
    return 0;
}

bp_status cuda_take(bp_device *d, uint64_t bytes, CUdeviceptr *out, bp_error *error) {
    if (bytes > (uint64_t)INT64_MAX / 2) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: no memory for so many bytes");
    uint64_t size = rounded(bytes);
    if (d->memory_limit && d->memory_used + size > d->memory_limit)
        return cuda_fail(error, BP_E_NO_MEMORY, "cuda: %llu MB more would pass the memory_limit of %llu MB (%llu MB are used)",
                         (unsigned long long)(size >> 20), (unsigned long long)(d->memory_limit >> 20),
                         (unsigned long long)(d->memory_used >> 20));
    pthread_mutex_lock(&d->lock);
    *out = pooled(d, size);
    CUresult result = *out ? CUDA_SUCCESS : d->cu->MemAlloc(out, size);
    if (result == CUDA_ERROR_OUT_OF_MEMORY && d->n_pool) {
        cuda_pool_free(d);
        result = d->cu->MemAlloc(out, size);
    }
    pthread_mutex_unlock(&d->lock);
    if (result == CUDA_SUCCESS) {
        d->memory_used += size;
        return BP_OK;
    }
    size_t left = 0, all = 0;
    d->cu->MemGetInfo(&left, &all);
    if (result == CUDA_ERROR_OUT_OF_MEMORY)
        return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory: %llu MB are needed and %llu of %llu MB are free",
                         (unsigned long long)(size >> 20), (unsigned long long)left >> 20, (unsigned long long)all >> 20);
    return cuda_result(d, result, "taking memory", error);
}

static bool keep(bp_device *d, CUdeviceptr address, uint64_t size) {
    if (size > POOL_LARGEST || d->n_pool >= POOL_PIECES || d->lost) return false;
    if (d->n_pool == d->pool_capacity) {
        struct cuda_block *more = realloc(d->pool, sizeof *more * POOL_PIECES);
        if (!more) return false;
        d->pool = more;
        d->pool_capacity = POOL_PIECES;
    }
    d->pool[d->n_pool++] = (struct cuda_block){ address, size };
    return true;
}

void cuda_give(bp_device *d, CUdeviceptr address, uint64_t bytes) {
    if (!address) return;
    uint64_t size = rounded(bytes);
    pthread_mutex_lock(&d->lock);
    bool kept = keep(d, address, size);
    pthread_mutex_unlock(&d->lock);
    if (!kept) d->cu->MemFree(address);
    d->memory_used -= size;
}

bp_status cuda_buffer_new(bp_device *d, uint64_t bytes, uint32_t use, bp_buffer **out, bp_error *error) {
    (void)use;
    bp_status s = cuda_enter(d, error);
    if (s) return s;
    bp_buffer *b = calloc(1, sizeof *b);
    if (!b) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    b->bytes = bytes;
    s = cuda_take(d, bytes, &b->address, error);
    if (s) free(b);
    else *out = b;
    return s;
}

void cuda_buffer_free(bp_device *d, bp_buffer *b) {
    if (!b) return;
    if (d->cu->CtxSetCurrent(d->context) == CUDA_SUCCESS) {
        d->cu->StreamSynchronize(d->copies);
        cuda_give(d, b->address, b->bytes);
    }
    free(b);
}

bp_status cuda_in_range(const bp_buffer *b, uint64_t offset, uint64_t bytes, bp_error *error) {
    if (offset <= b->bytes && bytes <= b->bytes - offset) return BP_OK;
    return cuda_fail(error, BP_E_INVALID, "cuda: %llu bytes at %llu do not lie in a buffer of %llu", (unsigned long long)bytes,
                     (unsigned long long)offset, (unsigned long long)b->bytes);
}

/* ---- The ring ---- */

struct cuda_ring {
    cuda_slot slots[CUDA_RING_SLOTS];
    CUevent last; /* after the last copy or pack that was begun */
    uint64_t begun;
    uint32_t next;
    pthread_mutex_t lock;
    pthread_cond_t freed;
};

bp_status cuda_ring_new(bp_device *d, bp_error *error) {
    cuda_ring *r = calloc(1, sizeof *r);
    if (!r) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    d->ring = r;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->freed, NULL);
    bp_status s = cuda_result(d, d->cu->EventCreate(&r->last, CU_EVENT_DISABLE_TIMING), "creating an event", error);
    for (uint32_t i = 0; !s && i < CUDA_RING_SLOTS; i++)
        s = cuda_result(d, d->cu->EventCreate(&r->slots[i].done, CU_EVENT_DISABLE_TIMING), "creating an event", error);
    return s;
}

void cuda_ring_free(bp_device *d) {
    cuda_ring *r = d->ring;
    if (!r) return;
    if (d->copies) d->cu->StreamSynchronize(d->copies);
    for (uint32_t i = 0; i < CUDA_RING_SLOTS; i++) {
        cuda_slot *slot = &r->slots[i];
        if (slot->memory) d->cu->MemFreeHost(slot->memory);
        if (slot->staged) cuda_give(d, slot->staged, CUDA_SLOT_BYTES);
        if (slot->done) d->cu->EventDestroy(slot->done);
    }
    if (r->last) d->cu->EventDestroy(r->last);
    pthread_cond_destroy(&r->freed);
    pthread_mutex_destroy(&r->lock);
    free(r);
    d->ring = NULL;
}

/* The next slot that no thread holds. */
static cuda_slot *claim_slot(cuda_ring *r) {
    pthread_mutex_lock(&r->lock);
    cuda_slot *found = NULL;
    while (!found) {
        for (uint32_t i = 0; !found && i < CUDA_RING_SLOTS; i++) {
            cuda_slot *slot = &r->slots[(r->next + i) % CUDA_RING_SLOTS];
            if (slot->held) continue;
            found = slot;
            r->next = (r->next + i + 1) % CUDA_RING_SLOTS;
        }
        if (!found) pthread_cond_wait(&r->freed, &r->lock);
    }
    found->held = true;
    pthread_mutex_unlock(&r->lock);
    return found;
}

bp_status cuda_slot_take(bp_device *d, cuda_slot **out, bp_error *error) {
    cuda_slot *slot = claim_slot(d->ring);
    *out = slot;
    bp_status s = BP_OK;
    if (slot->used) s = cuda_result(d, d->cu->EventSynchronize(slot->done), "waiting for a copy", error);
    if (!s && !slot->memory)
        s = cuda_result(d, d->cu->MemHostAlloc((void **)&slot->memory, CUDA_SLOT_BYTES, CU_MEMHOSTALLOC_PORTABLE),
                        "taking pinned memory", error);
    if (s) cuda_slot_give(d, slot, false, NULL);
    return s;
}

bp_status cuda_slot_give(bp_device *d, cuda_slot *slot, bool begun, bp_error *error) {
    cuda_ring *r = d->ring;
    bp_status s = BP_OK;
    pthread_mutex_lock(&r->lock);
    if (begun) {
        s = cuda_result(d, d->cu->EventRecord(slot->done, d->copies), "recording a copy", error);
        if (!s) s = cuda_result(d, d->cu->EventRecord(r->last, d->copies), "recording a copy", error);
        slot->used = true;
        r->begun++;
    }
    slot->held = false;
    pthread_cond_signal(&r->freed);
    pthread_mutex_unlock(&r->lock);
    return s;
}

uint64_t cuda_copies_begun(bp_device *d) {
    pthread_mutex_lock(&d->ring->lock);
    uint64_t n = d->ring->begun;
    pthread_mutex_unlock(&d->ring->lock);
    return n;
}

bp_status cuda_after_copies(bp_device *d, CUstream stream, bp_error *error) {
    pthread_mutex_lock(&d->ring->lock);
    bp_status s = BP_OK;
    if (d->ring->begun) s = cuda_result(d, d->cu->StreamWaitEvent(stream, d->ring->last, 0), "waiting for copies", error);
    pthread_mutex_unlock(&d->ring->lock);
    return s;
}

bp_status cuda_write(bp_device *d, bp_buffer *b, uint64_t offset, const void *data, uint64_t bytes, bp_error *error) {
    bp_status s = cuda_in_range(b, offset, bytes, error);
    if (!s) s = cuda_enter(d, error);
    for (uint64_t at = 0; !s && at < bytes;) {
        uint64_t n = bytes - at < CUDA_SLOT_BYTES ? bytes - at : CUDA_SLOT_BYTES;
        cuda_slot *slot;
        s = cuda_slot_take(d, &slot, error);
        if (s) break;
        memcpy(slot->memory, (const char *)data + at, n);
        s = cuda_result(d, d->cu->MemcpyHtoDAsync(b->address + offset + at, slot->memory, n, d->copies), "copying to the card", error);
        bp_status given = cuda_slot_give(d, slot, s == BP_OK, error);
        if (!s) s = given;
        at += n;
    }
    return s;
}

bp_status cuda_read(bp_device *d, const bp_buffer *b, uint64_t offset, void *data, uint64_t bytes, bp_error *error) {
    bp_status s = cuda_in_range(b, offset, bytes, error);
    if (!s) s = cuda_enter(d, error);
    for (uint64_t at = 0; !s && at < bytes;) {
        uint64_t n = bytes - at < CUDA_SLOT_BYTES ? bytes - at : CUDA_SLOT_BYTES;
        cuda_slot *slot;
        s = cuda_slot_take(d, &slot, error);
        if (s) break;
        s = cuda_result(d, d->cu->MemcpyDtoHAsync(slot->memory, b->address + offset + at, n, d->copies), "copying from the card", error);
        if (!s) s = cuda_result(d, d->cu->StreamSynchronize(d->copies), "copying from the card", error);
        if (!s) memcpy((char *)data + at, slot->memory, n);
        cuda_slot_give(d, slot, false, NULL);
        at += n;
    }
    return s;
}
