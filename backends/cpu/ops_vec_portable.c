/* Row loops for any processor. */
#define CPU_VEC_TABLE cpu_vec_portable
#include "backends/cpu/ops_vec_loops.h"
