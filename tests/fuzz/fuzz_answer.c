/* Any bytes as an answer, in any format: no crash, and pieces make no difference to the sum. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/text/answer.h"

static const char *const templates[] = {
    "<tool_call></think>", "\"parameters\": <|start_header_id|> <|python_tag|>", "[TOOL_CALLS] [THINK]", "tool▁calls▁begin </think>",
    "<|channel|> <|message|>", "<|tool_call|> Here is my thought process: <response>", "<|START_ACTION|> <|START_THINKING|>",
    "<|tool_calls_section_begin|> <seed:think>", "<tool_call> <function= seed:tool_call", "minimax:tool_call </think>", "｜DSML｜",
    "[func_name1(params_name1=1)]", "<|tool_list_start|>", "<|channel>thought <channel|> <|tool_call>", "<|inner_prefix|> <|tools_prefix|>",
    "<|tool_call:begin|>", ">>>all", "functools[ <TOOLCALL> <tool_calls> <function_calls>",
};

static void hear(void *user, int kind, uint32_t call, const char *text, size_t n) {
    if (!n) abort();
    static int last;
    bp_text *out = user;
    if (kind != last || !out->size) bp_text_format(out, "%d.%u:", kind, call);
    last = kind;
    bp_text_add(out, text, n);
}

static json_t *tools; /* the schema of f; NULL: none */

static void parse(const char *template_text, const char *data, size_t n, size_t piece, bp_text *out) {
    bp_answer *answer;
    if (bp_answer_new(template_text, NULL, 0, tools, hear, out, &answer, NULL)) abort();
    for (size_t at = 0; at < n; at += piece) bp_answer_feed(answer, data + at, n - at < piece ? n - at : piece, NULL);
    if (bp_answer_end(answer, NULL)) abort();
    bp_answer_free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const char *template_text = templates[data[0] % (sizeof templates / sizeof *templates)];
    bp_text whole = { 0 }, pieces = { 0 };
    if (data[1] & 16)
        tools = json_loads("[{\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"type\": \"array\"}, \"b\": {\"type\": "
                           "\"string\"}, \"c\": {\"type\": [\"boolean\", \"null\"]}}}}]", 0, NULL);
    parse(template_text, (const char *)data + 2, size - 2, size, &whole);
    parse(template_text, (const char *)data + 2, size - 2, 1 + data[1] % 16, &pieces);
    if (whole.size != pieces.size || (whole.size && memcmp(whole.data, pieces.data, whole.size))) abort();
    json_decref(tools);
    tools = NULL;
    bp_text_free(&whole);
    bp_text_free(&pieces);
    return 0;
}
