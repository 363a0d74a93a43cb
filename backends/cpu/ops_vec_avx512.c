/* Row loops compiled for avx512. */
#define CPU_VEC_TABLE cpu_vec_avx512
#include "backends/cpu/ops_vec_loops.h"
