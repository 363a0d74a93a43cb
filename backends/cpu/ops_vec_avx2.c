/* Row loops compiled for avx2. */
#define CPU_VEC_TABLE cpu_vec_avx2
#include "backends/cpu/ops_vec_loops.h"
