/* Any bytes as a chat template: compiled and, where that succeeds, rendered with a conversation. Corpus: the templates
 * in tests/fixtures/templates. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/jinja.h"

static const char variables[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": \"Gr\\u00fc\\u00dfe <b>\"},"
    "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"abcdefghi\", \"type\": \"function\","
    "\"function\": {\"name\": \"f\", \"arguments\": {\"a\": 1.5, \"b\": [true, null]}}}]},"
    "{\"role\": \"tool\", \"content\": \"12\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\","
    "\"parameters\": {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"number\"}}}}}],"
    "\"add_generation_prompt\": true, \"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static json_t *given;
    if (!given) given = json_loads(variables, 0, NULL);
    bp_error error = BP_ERROR_INIT;
    bp_text out = { 0 };
    bp_jinja *jinja;
    bp_status status = bp_jinja_compile((const char *)data, size, &jinja, &error);
    if (!status) status = bp_jinja_render(jinja, given, &out, &error);
    if (status && (!error.message[0] || strlen(error.message) >= BP_ERROR_TEXT)) abort();
    if (status && out.size) abort();
    bp_jinja_free(jinja);
    bp_text_free(&out);
    return 0;
}
