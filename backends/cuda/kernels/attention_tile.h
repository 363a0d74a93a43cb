/* The tiles of keys and values that a warp of attention_tiles.cuh has in shared memory. For C and CUDA C. */
#ifndef BP_ATTENTION_TILE_H
#define BP_ATTENTION_TILE_H

enum {
    BP_ATTENTION_TILE = 16, /* keys */
    BP_ATTENTION_PAD = 8    /* halves after each row: 8 rows of one column fall into different banks */
};
/* Tiles a warp has at once, by the threads of a block. */
#define BP_ATTENTION_STAGES(threads) ((threads) == 256 ? 2 : 3)
#define BP_ATTENTION_STAGE_BYTES(dim, dim_v) (BP_ATTENTION_TILE * 2 * ((dim) + (dim_v) + 2 * BP_ATTENTION_PAD))

#endif
