/* Any text as a JSON schema: made or refused in words, and what is made allows the tokens that its masks name. */
#include "tests/fuzz/grammar_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    bp_status status = bp_grammar_json_schema((const char *)data, size, size & 1, fuzz_vocab(), &grammar, &error);
    if (!status) fuzz_walk(grammar, (uint32_t)size);
    else if (!error.message[0] || error.status != status) abort();
    return 0;
}
