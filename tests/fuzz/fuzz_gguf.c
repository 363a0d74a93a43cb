/* Fuzzing of the GGUF reader: whatever it accepts can be walked to the last byte. */
#include <stdint.h>
#include <string.h>

#include "core/gguf/gguf.h"

static void walk_key(const bp_gguf *file, const bp_gguf_key *key, volatile uint64_t *sum) {
    if (bp_gguf_find(file, key->name) != key) __builtin_trap();
    for (uint64_t i = 0; i <= key->count; i++) {
        int64_t whole = 0;
        double number = 0;
        bp_gguf_string text = { 0 };
        bool is_int = bp_gguf_int(key, i, &whole), is_float = bp_gguf_float(key, i, &number);
        bool is_text = bp_gguf_string_at(key, i, &text);
        if (i == key->count && (is_int || is_float || is_text)) __builtin_trap();
        if (i < key->count && !is_int && !is_float && !is_text && key->item_type != BP_GGUF_U64) __builtin_trap();
        for (uint64_t j = 0; j < text.size; j++) *sum += (uint8_t)text.data[j];
        *sum += (uint64_t)whole + (number > 0);
    }
}

static void walk_tensor(const bp_gguf *file, const bp_gguf_tensor *tensor, volatile uint64_t *sum) {
    if (bp_gguf_find_tensor(file, tensor->name) != tensor) __builtin_trap();
    for (uint64_t i = 0; i < tensor->bytes; i++) *sum += tensor->data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    volatile uint64_t sum = 0;
    if (bp_gguf_parse(data, size, "fuzz", &file, &error)) {
        if (!error.message[0] || strlen(error.message) >= BP_ERROR_TEXT) __builtin_trap();
        return 0;
    }
    for (uint64_t i = 0; i < bp_gguf_n_keys(file); i++) walk_key(file, bp_gguf_key_at(file, i), &sum);
    for (uint64_t i = 0; i < bp_gguf_n_tensors(file); i++) walk_tensor(file, bp_gguf_tensor_at(file, i), &sum);
    bp_gguf_close(file);
    return 0;
}
