/* PLaMo: llama with halves-paired RoPE, attention and feed-forward part in parallel behind one norm.
 * Source: Preferred Networks 2023. */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_plamo(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.parallel = true;
    m->decoder.ffn_norm = NULL;
    m->decoder.untied = true;
}
