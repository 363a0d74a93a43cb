/* Answers taken apart: every known form, fed whole, byte by byte and in pieces. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/text.h"
#include "core/text/answer.h"

/* Templates, by what the parser looks for in them. */
#define HERMES "<tool_call> </tool_call> <think> </think>"
#define LLAMA "<|start_header_id|> {\"name\": function name, \"parameters\": dictionary} <|python_tag|>"
#define MISTRAL "[TOOL_CALLS] [THINK]"
#define DEEPSEEK "<｜tool▁calls▁begin｜> </think>"
#define HARMONY "<|start|> <|channel|>analysis<|message|>"
#define GRANITE "<|tool_call|> Here is my thought process: Here is my response:"
#define COMMAND "<|START_ACTION|> <|START_THINKING|> <|START_RESPONSE|>"
#define KIMI "<|tool_calls_section_begin|>"

typedef struct example { const char *template_text, *prompt, *text, *expected; } example;

/* Expected: R{reasoning}, C{content}, NAME(arguments). */
static const example examples[] = {
    { NULL, NULL, "<think>x</think> <tool_call>", "C{<think>x</think> <tool_call>}" },
    { HERMES, NULL, "", "" },
    { HERMES, NULL, "Hello, wörld <3\n", "C{Hello, wörld <3\n}" },
    { HERMES, NULL, "<think>\nadd\n them\n</think>\n\n4 \n", "R{add\n them}C{4 \n}" },
    { HERMES, "<|im_start|>assistant\n<think>\n", "add\n</think>\n\n4", "R{add}C{4}" },
    { HERMES, "assistant\n<think>\n\n</think>\n\n", "4", "C{4}" },
    { HERMES, NULL, "<think>never ends <tool_call>", "R{never ends <tool_call>}" },
    { HERMES, NULL, "a </think> b", "C{a </think> b}" },
    { HERMES, NULL,
      "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 0.10, \"b\": [1, \"}\"]}}\n</tool_call>",
      "C{I look.}f({\"a\": 0.10, \"b\": [1, \"}\"]})" },
    { HERMES, NULL,
      "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>{\"arguments\": {\"x\": \"é\"}, "
      "\"name\": \"g\"}</tool_call> done",
      "f({})g({\"x\": \"é\"})C{done}" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>", "f({\"a\": 1})" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\"}</tool_call>", "f({})" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}",
      "C{<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}", "f({\"a\": 1})" },
    { HERMES, NULL, "<tool_call>{broken}</tool_call> x", "C{<tool_call>{broken}</tool_call> x}" },
    { HERMES, NULL, "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>",
      "C{<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>}" },
    { HERMES, NULL, "<tool_ca", "C{<tool_ca}" },
    { HERMES, NULL, "a <tool_cat> <thin <think>b</thin</think>c", "C{a <tool_cat> <thin }R{b</thin}C{c}" },
    { HERMES, NULL,
      "<tool_call>\n<function=get_x>\n<parameter=city>\nBern\nand more\n</parameter>\n<parameter=n>\n3\n</parameter>\n"
      "</function>\n</tool_call>",
      "get_x({\"city\": \"Bern\\nand more\", \"n\": 3})" },
    { HERMES, NULL, "<tool_call>\n<function=ping>\n</function>\n</tool_call>", "ping({})" },
    { HERMES, NULL, "<tool_call>\n<function=f>\n<parameter=a>\n1\n</function>\n</tool_call>",
      "C{<tool_call>\n<function=f>\n<parameter=a>\n1\n</function>\n</tool_call>}" },
    { HERMES, NULL,
      "<tool_call>get_x\n<arg_key>city</arg_key>\n<arg_value>Bern</arg_value>\n<arg_key>n</arg_key>\n"
      "<arg_value>[1]</arg_value>\n</tool_call>",
      "get_x({\"city\": \"Bern\", \"n\": [1]})" },
    { LLAMA, NULL, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "f({\"a\": 1})" },
    { LLAMA, NULL, "\n{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", "f({})g({})" },
    { LLAMA, NULL, "{\"x\": 1} is JSON", "C{{\"x\": 1} is JSON}" },
    { LLAMA, NULL, "Use {\"name\": \"f\", \"parameters\": {}}", "C{Use {\"name\": \"f\", \"parameters\": {}}}" },
    { LLAMA, NULL, "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "f({\"a\": 1})" },
    { LLAMA, NULL, "<|python_tag|>brave_search.call(query=\"a, b\", n=2)",
      "brave_search({\"query\": \"a, b\", \"n\": 2})" },
    { LLAMA, NULL, "<|python_tag|>print(\"x\")\n", "code_interpreter({\"code\": \"print(\\\"x\\\")\"})" },
    { MISTRAL, NULL,
      "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": [1]}, \"id\": \"abcdefghi\"}, {\"name\": \"g\", "
      "\"arguments\": {}}]",
      "f({\"a\": [1]})g({})" },
    { MISTRAL, NULL, "Well. [TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]", "C{Well.}f({})" },
    { MISTRAL, NULL, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]abcdefghi[ARGS]{}", "f({\"a\": 1})g({})" },
    { MISTRAL, NULL, "[THINK]hm[/THINK]yes [TOOL", "R{hm}C{yes [TOOL}" },
    { MISTRAL, NULL, "[TOOL_CALLS] nothing", "C{[TOOL_CALLS] nothing}" },
    { DEEPSEEK, "<｜Assistant｜><think>\n",
      "hm\n</think>\n\nyes<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n"
      "```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```"
      "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      "R{hm}C{yes}f({\"a\": 1})g({})" },
    { DEEPSEEK, NULL,
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      "f({\"a\": 1})" },
    { HARMONY, NULL,
      "<|channel|>analysis<|message|>Let me add.<|end|><|start|>assistant<|channel|>final<|message|>It is <4>.",
      "R{Let me add.}C{It is <4>.}" },
    { HARMONY, NULL,
      "<|channel|>analysis<|message|>Look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_x "
      "<|constrain|>json<|message|>{\"a\": 1}<|call|>",
      "R{Look.}get_x({\"a\": 1})" },
    { HARMONY, NULL, " to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}", "f({\"a\": 1})" },
    { HARMONY, NULL, "<|channel|>commentary to=functions.f<|message|>no json<|call|>", "C{no json}" },
    { HARMONY, NULL, "<|channel|>final<|message|>x<|return|>", "C{x}" },
    { GRANITE, NULL, "Here is my thought process: a\n\nHere is my response: b", "R{a}C{b}" },
    { GRANITE, NULL, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "f({\"a\": 1})" },
    { COMMAND, NULL,
      "<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"f\", "
      "\"parameters\": {\"a\": 1}}]<|END_ACTION|>",
      "R{hm}f({\"a\": 1})" },
    { COMMAND, NULL, "<|START_RESPONSE|>yes<|END_RESPONSE|>", "C{yes}" },
    { KIMI, NULL,
      "ok<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 1}"
      "<|tool_call_end|><|tool_calls_section_end|>",
      "C{ok}f({\"a\": 1})" },
};

typedef struct heard { bp_text text; int kind; } heard;

static void hear(void *user, int kind, uint32_t call, const char *text, size_t n) {
    heard *h = user;
    (void)call;
    bool inside = h->kind == BP_ANSWER_CONTENT || h->kind == BP_ANSWER_REASONING;
    if (kind != h->kind && inside) bp_text_adds(&h->text, "}");
    if (kind != h->kind && kind == BP_ANSWER_CONTENT) bp_text_adds(&h->text, "C{");
    if (kind != h->kind && kind == BP_ANSWER_REASONING) bp_text_adds(&h->text, "R{");
    if (kind == BP_ANSWER_ARGUMENTS) bp_text_adds(&h->text, "(");
    assert_true(n > 0);
    bp_text_add(&h->text, text, n);
    if (kind == BP_ANSWER_ARGUMENTS) bp_text_adds(&h->text, ")");
    h->kind = kind;
}

static void check(const example *e, size_t piece) {
    heard h = { .kind = -1 };
    bp_answer *answer;
    size_t n = strlen(e->text);
    assert_int_equal(
        bp_answer_new(e->template_text, e->prompt, e->prompt ? strlen(e->prompt) : 0, hear, &h, &answer, NULL), BP_OK);
    for (size_t at = 0; at < n; at += piece)
        assert_int_equal(bp_answer_feed(answer, e->text + at, BP_MIN(piece, n - at), NULL), BP_OK);
    assert_int_equal(bp_answer_end(answer, NULL), BP_OK);
    if (h.kind == BP_ANSWER_CONTENT || h.kind == BP_ANSWER_REASONING) bp_text_adds(&h.text, "}");
    if (strcmp(bp_text_get(&h.text), e->expected))
        fail_msg("%s\nin pieces of %zu: %s\nnot %s", e->text, piece, bp_text_get(&h.text), e->expected);
    bp_answer_free(answer);
    bp_text_free(&h.text);
}

static void every_form_in_pieces_of_every_size(void **state) {
    (void)state;
    for (size_t i = 0; i < BP_COUNT(examples); i++)
        for (size_t piece = 1; piece <= strlen(examples[i].text) + 1; piece++) check(&examples[i], piece);
}

static void content_is_handed_on_at_once(void **state) {
    (void)state;
    heard h = { .kind = -1 };
    bp_answer *answer;
    assert_int_equal(bp_answer_new(HERMES, NULL, 0, hear, &h, &answer, NULL), BP_OK);
    bp_answer_feed(answer, "Hel", 3, NULL);
    assert_string_equal(bp_text_get(&h.text), "C{Hel");
    bp_answer_feed(answer, "lo <to", 6, NULL);
    assert_string_equal(bp_text_get(&h.text), "C{Hello");
    bp_answer_feed(answer, "p>", 2, NULL);
    assert_string_equal(bp_text_get(&h.text), "C{Hello <top>");
    bp_answer_free(answer);
    bp_text_free(&h.text);
}

static void a_message_in_openai_form(void **state) {
    (void)state;
    static const char text[] =
        "<think>hm</think>I look.<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>";
    json_t *message;
    assert_int_equal(bp_answer_message(HERMES, NULL, 0, text, sizeof text - 1, &message, NULL), BP_OK);
    json_t *expected =
        json_loads("{\"role\": \"assistant\", \"content\": \"I look.\", \"reasoning_content\": \"hm\", \"tool_calls\": "
                   "[{\"id\": \"call_0\", \"type\": \"function\", \"function\": {\"name\": \"f\", "
                   "\"arguments\": \"{\\\"a\\\": 1}\"}}]}",
                   0, NULL);
    assert_true(json_equal(message, expected));
    json_decref(message);
    json_decref(expected);
}

static void a_long_answer_takes_time_in_proportion(void **state) {
    (void)state;
    bp_text text = { 0 };
    bp_text_adds(&text, "<tool_call>");
    for (int i = 0; i < 60000; i++) bp_text_adds(&text, "<tool_calls <");
    heard h = { .kind = -1 };
    bp_answer *answer;
    assert_int_equal(bp_answer_new(HERMES, NULL, 0, hear, &h, &answer, NULL), BP_OK);
    for (size_t at = 0; at < text.size; at += 3)
        bp_answer_feed(answer, text.data + at, BP_MIN((size_t)3, text.size - at), NULL);
    bp_answer_end(answer, NULL);
    assert_int_equal(h.text.size, text.size + 2);
    bp_answer_free(answer);
    bp_text_free(&h.text);
    bp_text_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_in_pieces_of_every_size),
        cmocka_unit_test(content_is_handed_on_at_once),
        cmocka_unit_test(a_message_in_openai_form),
        cmocka_unit_test(a_long_answer_takes_time_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
