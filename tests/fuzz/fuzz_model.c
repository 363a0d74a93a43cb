/* Fuzzing of hyperparameters and tensors: whatever the GGUF reader accepts becomes a graph, or one error in words. */
#include <stdint.h>
#include <string.h>

#include "core/base/log.h"
#include "core/model/features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const bp_cache_shape cache = { .type = BP_TYPE_F16, .block_size = 32, .n_blocks = 4, .table_width = 4 };
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    bp_model *model;
    bp_builder *builder;
    bp_graph *graph;
    bp_text text = { 0 };
    bp_log_set_level(-1);
    if (bp_gguf_parse(data, size, "fuzz", &file, &error)) return 0;
    if (bp_model_new(file, &model, &error)) {
        if (!error.message[0]) __builtin_trap();
        bp_gguf_close(file);
        return 0;
    }
    const bp_graph_output output = { model->decoder.bidirectional ? BP_OUTPUT_EMBEDDING : BP_OUTPUT_LOGITS,
                                     model->pooling, 0 };
    if (!bp_model_graph(model, &cache, &output, &builder, &graph, &error)) {
        bp_model_features(model, graph, &text);
        bp_builder_free(builder);
    } else if (!error.message[0]) {
        __builtin_trap();
    }
    bp_text_free(&text);
    bp_model_free(model);
    return 0;
}
