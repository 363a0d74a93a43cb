/* EmbeddingGemma: Gemma 3 whose attention looks both ways, windowed layers by half a window to each side; then two dense
 * layers where the file has them. Source: Vera et al. 2025. */
#include "core/model/families.h"

void bp_read_gemma_embedding(bp_model *m) {
    m->decoder.bidirectional = true;
    bp_read_gemma3(m);
}
