/* Pairs of a token and an expert, grouped by expert: what experts_group.cu makes and the grouped products read. For C
 * and CUDA C.
 *   order [pairs]       pairs by expert; those of one expert as they come, those of no expert last
 *   tiles [1 + tiles]   four ints each: expert (n_expert: none), first place in order, number of pairs, 0.
 *                       The first one's first int is the number of tiles that follow. */
#ifndef BP_EXPERTS_TILE_H
#define BP_EXPERTS_TILE_H

enum {
    BP_EXPERTS_MOST = 4096,   /* experts at most */
    BP_EXPERTS_THREADS = 512, /* of experts_group */
    BP_EXPERTS_TILE_INTS = 4
};

#endif
