/* The kernels' source texts, embedded when cuda.so is built (cmake/embed_texts.cmake). */
#ifndef BP_CUDA_TEXT_H
#define BP_CUDA_TEXT_H

#include <stddef.h>

typedef struct cuda_text {
    const char *name; /* as it is included: "common.cuh", "backplane/blocks.h" */
    const char *text; /* ends with a zero */
    size_t size;
} cuda_text;

extern const cuda_text cuda_texts[];
extern const size_t cuda_text_count;

#endif
