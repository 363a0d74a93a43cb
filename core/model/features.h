/* What a model's graph is made of, in words: for people, and for docs/architectures.md. */
#ifndef BP_FEATURES_H
#define BP_FEATURES_H

#include "core/base/text.h"
#include "core/model/model.h"

/* Add phrases like "RMS norms", "RoPE on adjacent pairs", "a window on 3 of 4 layers", joined by ", ". */
void bp_model_features(const bp_model *model, const bp_graph *graph, bp_text *out);

#endif
