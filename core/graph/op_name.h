/* The ops by name. */
#ifndef BP_GRAPH_OP_NAME_H
#define BP_GRAPH_OP_NAME_H

#include <stdint.h>

const char *bp_op_name(uint32_t op); /* "MATMUL"; "?" for an id that this build does not know */

#endif
