/* Answers taken apart: every known form, fed whole, byte by byte and in pieces. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

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
#define CODER "<tool_call> <function=example_function_name>"
#define SEED "<seed:think> <seed:tool_call> <function="
#define MINIMAX "</think> <minimax:tool_call>"
#define DSML "｜DSML｜ </think>"
#define PYTHONIC "[func_name1(params_name1=params_value1)]"
#define LFM2 "<|tool_list_start|>"
#define LLAMA4 "<|python_start|>"
#define GEMMA4 "<|channel>thought <channel|> <|tool_call>"
#define NEMOTRON "<TOOLCALL> </think>"
#define HUNYUAN "<tool_calls> <answer> </think>"
#define APERTUS "<|inner_prefix|> <|tools_prefix|>"
#define SOLAR "<|tool_call:begin|>"
#define FUNCTIONARY3_1 "<function="
#define FUNCTIONARY3_2 ">>>all"
#define FIREFUNCTION "functools["
#define PHI4 "<|tool_call|> <|/tool_call|>"
#define INTERNLM "<|action_start|> <|plugin|>"
#define APRIEL "[BEGIN FINAL RESPONSE] <tool_calls>"
#define COMMAND_R "`directly-answer`"
#define XLAM "single JSON array [{\"name\": \"x\", \"arguments\": {}}]"
#define GIGACHAT "function call <|message_sep|>"
#define MINICPM3 "<|thought_start|> <|tool_call_start|>"
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
      "f({\"a\": 1})" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1", "f({\"a\": 1)" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\"", "C{<tool_call>{\"name\": \"f\"}" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}</tool_call> x", "f({\"a\": 1})C{x}" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {}} so</tool_call> x", "f({})C{so x}" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}</tool_call>",
      "f({\"a\": \"</tool_call>\"})" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>", "f({})" },
    { HERMES, NULL, "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
      "C{<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>}" },
    { HERMES, NULL,
      "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": "
      "\"{\\\"a\\\": \\\"\\u00e9\\ud83d\\ude00\\\"}\"}}</tool_call>",
      "f({\"a\": \"é😀\"})" },
    { HERMES, NULL, "<tool_call>get_x\n{\"a\": {\"b\": 1}}</tool_call>", "get_x({\"a\": {\"b\": 1}})" },
    { HERMES, NULL, "<tool_call>ping</tool_call>ok", "ping({})C{ok}" },
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
      "f({\"a\": 1})" },
    { HERMES, NULL,
      "<tool_call>\n<function=f>\n<parameter=a>\nif x < 3:\n    <b>\n\n</parameter>\n<parameter=b>\n0123\n</parameter>\n"
      "<parameter=c>\n{\"k\": [1, null]}\n</parameter>\n<parameter=d>\ntrue\n</parameter>\n<parameter=e>\ntrue story"
      "\n</parameter>\n<parameter=f>\n</parameter>\n<parameter=g>\n-1.5e3\n</parameter>\n</function>\n</tool_call>",
      "f({\"a\": \"if x < 3:\\n    <b>\\n\", \"b\": \"0123\", \"c\": {\"k\": [1, null]}, \"d\": true, "
      "\"e\": \"true story\", \"f\": \"\", \"g\": -1.5e3})" },
    { HERMES, NULL, "<tool_call>\n<function=f>\n<parameter=a>\n\"x\" \\ y", "f({\"a\": \"\\\"x\\\" \\\\ y)" },
    { CODER, NULL, "I call.\n\n<function=f>\n<parameter=a>\nx\n</parameter>\n</function>\n</tool_call>",
      "C{I call.}f({\"a\": \"x\"})C{</tool_call>}" },
    { SEED, "<seed:bos>assistant\n",
      "<seed:think>hm</seed:think>\n<seed:tool_call>\n<function=f>\n<parameter=a>x</parameter>\n</function>\n"
      "<function=g>\n</function>\n</seed:tool_call>",
      "R{hm}f({\"a\": \"x\"})g({})" },
    { MINIMAX, "]~b]ai\n<think>\n",
      "hm\n</think>\n\n<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">x y</parameter>\n"
      "<parameter name=\"b\">[1]</parameter>\n</invoke>\n<invoke name=\"g\">\n</invoke>\n</minimax:tool_call>",
      "R{hm}f({\"a\": \"x y\", \"b\": [1]})g({})" },
    { DSML, NULL,
      "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">12"
      "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">[1, 2]</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
      "</｜DSML｜function_calls>",
      "f({\"a\": \"12\", \"b\": [1, 2]})" },
    { HERMES, NULL,
      "<tool_call>get_x\n<arg_key>city</arg_key>\n<arg_value>Bern</arg_value>\n<arg_key>n</arg_key>\n"
      "<arg_value>[1]</arg_value>\n</tool_call>",
      "get_x({\"city\": \"Bern\", \"n\": [1]})" },
    { LLAMA, NULL, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "f({\"a\": 1})" },
    { LLAMA, NULL, "\n{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", "f({})g({})" },
    { LLAMA, NULL, "{\"type\": \"function\", \"name\": \"f\", \"parameters\": {\"a\": {}}}", "f({\"a\": {}})" },
    { LLAMA, NULL, "{\"name\": \"Bob\", \"age\": 3}", "C{{\"name\": \"Bob\", \"age\": 3}}" },
    { LLAMA, NULL, "{\"name\": \"Bob\"}", "C{{\"name\": \"Bob\"}}" },
    { LLAMA, NULL, "[1] says {\"name\": 1}", "C{[1] says {\"name\": 1}}" },
    { LLAMA, NULL, "{\"name\": \"f\", \"parameters\": {}} and more", "f({})C{and more}" },
    { LLAMA, NULL, "{\"x\": 1} is JSON", "C{{\"x\": 1} is JSON}" },
    { LLAMA, NULL, "Use {\"name\": \"f\", \"parameters\": {}}", "C{Use {\"name\": \"f\", \"parameters\": {}}}" },
    { LLAMA, NULL, "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "f({\"a\": 1})" },
    { LLAMA, NULL, "<|python_tag|>brave_search.call(query=\"a, b\", n=2)",
      "brave_search({\"query\": \"a, b\", \"n\": 2})" },
    { LLAMA, NULL, "<|python_tag|>print(\"x\")\n", "code_interpreter({\"code\": \"print(\\\"x\\\")\"})" },
    { LLAMA, NULL, "<|python_tag|>x", "code_interpreter({\"code\": \"x\"})" },
    { PYTHONIC, NULL, "[f(city='Z\\u00fcrich \\'x\\' \"y\"', n=-1.5, ok=True, no=None), g()]",
      "f({\"city\": \"Z\\u00fcrich 'x' \\\"y\\\"\", \"n\": -1.5, \"ok\": true, \"no\": null})g({})" },
    { PYTHONIC, NULL, "[f(a=[1, 'b', (2,), {'k': False, 'l': []}], b = {})]",
      "f({\"a\": [1, \"b\", [2], {\"k\": false, \"l\": []}], \"b\": {}})" },
    { PYTHONIC, NULL, "[see](http://x) [f(y)]", "C{[see](http://x) [f(y)]}" },
    { PYTHONIC, NULL, "[f(y)]", "C{[f(y)]}" },
    { PYTHONIC, NULL, "f(a=1)", "C{f(a=1)}" },
    { LFM2, NULL, "<|tool_call_start|>[f(a=\"x\\n\", b=[1])]<|tool_call_end|>Done.", "f({\"a\": \"x\\n\", \"b\": [1]})C{Done.}" },
    { LFM2, NULL, "<|tool_call_start|>[{\"name\": \"f\", \"arguments\": {}}]<|tool_call_end|>Done.", "f({})C{Done.}" },
    { LLAMA4, NULL, "<|python_start|>[f(a=1)]<|python_end|>", "f({\"a\": 1})" },
    { GEMMA4, NULL,
      "<|channel>thought\nhm\n<channel|><|tool_call>call:f{city:<|\"|>B \"1\"<|\"|>,n:1,o:{k:[true,<|\"|>x<|\"|>]}}<tool_call|>"
      "<|tool_call>call:g{}<tool_call|>",
      "R{hm}f({\"city\": \"B \\\"1\\\"\", \"n\": 1, \"o\": {\"k\": [true, \"x\"]}})g({})" },
    { NEMOTRON, "<think></think>", "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", "
      "\"arguments\": {}}]</TOOLCALL>", "f({\"a\": 1})g({})" },
    { HUNYUAN, NULL, "<think>\nhm\n</think>\n<answer>\n<tool_calls>[{\"name\": \"f\", \"arguments\": {}}]</tool_calls>\n"
      "</answer>", "R{hm}f({})" },
    { HUNYUAN, NULL, "<think>\nhm\n</think>\n<answer>\nyes\n</answer>", "R{hm}C{yes}" },
    { APERTUS, NULL, "<|inner_prefix|>hm<|inner_suffix|><|tools_prefix|>[{\"f\": {\"a\": 1}}, {\"g\": {}}]<|tools_suffix|>",
      "R{hm}f({\"a\": 1})g({})" },
    { SOLAR, NULL,
      "<|think|>hm<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>a1<|tool_call:name|>f<|tool_call:args|>{\"a\": 1}"
      "<|tool_call:end|>",
      "R{hm}f({\"a\": 1})" },
    { FUNCTIONARY3_1, NULL, "<function=f>{\"a\": \"</function>\"}</function>\n<function=g>{}</function>",
      "f({\"a\": \"</function>\"})g({})" },
    { FUNCTIONARY3_2, "assistant<|end_header_id|>\n\n>>>", "all\nI look.>>>f\n{\"a\": 1}>>>g\n{}", "C{I look.}f({\"a\": 1})g({})" },
    { FUNCTIONARY3_2, "assistant<|end_header_id|>\n\n>>>", "f\n{\"a\": 1}", "f({\"a\": 1})" },
    { FUNCTIONARY3_2, "assistant<|end_header_id|>\n\n>>>", "all\n>>> print(1)\n", "C{>>> print(1)\n}" },
    { FIREFUNCTION, NULL, "Well functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "C{Well}f({\"a\": 1})" },
    { PHI4, NULL, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]<|/tool_call|>ok", "f({})C{ok}" },
    { COMMAND_R, NULL, "Action: ```json\n[\n {\"tool_name\": \"f\", \"parameters\": {\"a\": 1}}\n]```", "f({\"a\": 1})" },
    { COMMAND_R, NULL, "Action: run", "C{Action: run}" },
    { XLAM, NULL, "[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {\"a\": 1}}]", "f({})g({\"a\": 1})" },
    { XLAM, NULL, "[1] No.", "C{[1] No.}" },
    { GIGACHAT, NULL, "Yes.<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"f\", \"arguments\": {}}<|message_sep|>", "C{Yes.}f({})" },
    { HUNYUAN, NULL, "<tool_calls>[]</tool_calls>ok", "C{ok}" },
    { "<|tool|> <|/tool|>", NULL, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]<|/tool_call|>ok", "f({})C{ok}" },
    { "<|tool|> <|/tool|>", NULL, "functools[{\"name\": \"f\", \"arguments\": {}}]", "f({})" },
    { MINICPM3, NULL, "<|thought_start|>\nhm\n<|thought_end|>\n<|tool_call_start|>\n```python\nf(a=\"x\")\ng()\n```\n<|tool_call_end|>\nok",
      "R{hm}f({\"a\": \"x\"})g({})C{ok}" },
    { INTERNLM, NULL, "<|action_start|><|plugin|>\n{\"name\": \"f\", \"parameters\": {}}<|action_end|>", "f({})" },
    { APRIEL, "Here are my reasoning steps:\n", "hm\n[BEGIN FINAL RESPONSE]\n<tool_calls>[{\"name\": \"f\", "
      "\"arguments\": {}}]</tool_calls>", "R{hm}f({})" },
    { MISTRAL, NULL,
      "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": [1]}, \"id\": \"abcdefghi\"}, {\"name\": \"g\", "
      "\"arguments\": {}}]",
      "f({\"a\": [1]})g({})" },
    { MISTRAL, NULL, "Well. [TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]", "C{Well.}f({})" },
    { MISTRAL, NULL, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]abcdefghi[ARGS]{}", "f({\"a\": 1})g({})" },
    { MISTRAL, NULL, "[THINK]hm[/THINK]yes [TOOL", "R{hm}C{yes [TOOL}" },
    { MISTRAL, NULL, "[TOOL_CALLS]f{\"a\": \"}\"}", "f({\"a\": \"}\"})" },
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
    { HARMONY, NULL, "<|channel|>commentary to=functions.f<|message|>{\"a\": \"<|x|>\"", "f({\"a\": \"<|x|>\")" },
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

typedef struct heard { bp_text text; int kind; uint32_t call; size_t times; } heard;

static bool has_brackets(int kind) { return kind == BP_ANSWER_CONTENT || kind == BP_ANSWER_REASONING; }

static void close_last(heard *h) {
    if (h->kind == BP_ANSWER_ARGUMENTS) bp_text_adds(&h->text, ")");
    else if (has_brackets(h->kind)) bp_text_adds(&h->text, "}");
}

static void hear(void *user, int kind, uint32_t call, const char *text, size_t n) {
    heard *h = user;
    if (kind != h->kind) close_last(h);
    if (kind != h->kind && kind == BP_ANSWER_CONTENT) bp_text_adds(&h->text, "C{");
    if (kind != h->kind && kind == BP_ANSWER_REASONING) bp_text_adds(&h->text, "R{");
    if (kind != h->kind && kind == BP_ANSWER_ARGUMENTS) bp_text_adds(&h->text, "(");
    if (kind == BP_ANSWER_CALL) assert_int_equal(call, h->call++);
    if (kind == BP_ANSWER_ARGUMENTS) assert_int_equal(call, h->call - 1);
    assert_true(n > 0);
    bp_text_add(&h->text, text, n);
    h->kind = kind;
    h->times++;
}

/* Fed in pieces; first: the size of the first one. */
static void check(const example *e, size_t first, size_t piece) {
    heard h = { .kind = -1 };
    bp_answer *answer;
    size_t n = strlen(e->text), n_prompt = e->prompt ? strlen(e->prompt) : 0;
    assert_int_equal(bp_answer_new(e->template_text, e->prompt, n_prompt, NULL, hear, &h, &answer, NULL), BP_OK);
    for (size_t at = 0, size = first; at < n; at += size, size = piece)
        assert_int_equal(bp_answer_feed(answer, e->text + at, BP_MIN(size, n - at), NULL), BP_OK);
    assert_int_equal(bp_answer_end(answer, NULL), BP_OK);
    close_last(&h);
    if (strcmp(bp_text_get(&h.text), e->expected))
        fail_msg("%s\nin pieces of %zu, %zu: %s\nnot %s", e->text, first, piece, bp_text_get(&h.text), e->expected);
    bp_answer_free(answer);
    bp_text_free(&h.text);
}

static void every_form_in_pieces_of_every_size(void **state) {
    (void)state;
    for (size_t i = 0; i < BP_COUNT(examples); i++)
        for (size_t piece = 1; piece <= strlen(examples[i].text) + 1; piece++) check(&examples[i], piece, piece);
}

static void every_form_split_at_every_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < BP_COUNT(examples); i++)
        for (size_t n = strlen(examples[i].text), first = 1; first < n; first++) check(&examples[i], first, n);
}

static void no_marker_begins_another_one(void **state) {
    (void)state;
    static const char *const markers[] = {
#define BP_ANSWER_MARKER(text, action, form, end, needs) text,
#include "core/text/answer_markers.def"
#undef BP_ANSWER_MARKER
    };
    for (size_t a = 0; a < BP_COUNT(markers); a++)
        for (size_t b = 0; b < BP_COUNT(markers); b++)
            if (strcmp(markers[a], markers[b]) && !strncmp(markers[a], markers[b], strlen(markers[a])))
                fail_msg("%s begins %s", markers[a], markers[b]);
}

static void content_is_handed_on_at_once(void **state) {
    (void)state;
    heard h = { .kind = -1 };
    bp_answer *answer;
    assert_int_equal(bp_answer_new(HERMES, NULL, 0, NULL, hear, &h, &answer, NULL), BP_OK);
    bp_answer_feed(answer, "Hel", 3, NULL);
    assert_string_equal(bp_text_get(&h.text), "C{Hel");
    bp_answer_feed(answer, "lo <to", 6, NULL);
    assert_string_equal(bp_text_get(&h.text), "C{Hello");
    bp_answer_feed(answer, "p>", 2, NULL);
    assert_string_equal(bp_text_get(&h.text), "C{Hello <top>");
    bp_answer_free(answer);
    bp_text_free(&h.text);
}

/* What was fed, and what was handed on by then. */
typedef struct moment { const char *fed, *heard; } moment;

static void check_moments(const char *template_text, const json_t *tools, const moment *moments, size_t n) {
    heard h = { .kind = -1 };
    bp_answer *answer;
    assert_int_equal(bp_answer_new(template_text, NULL, 0, tools, hear, &h, &answer, NULL), BP_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(bp_answer_feed(answer, moments[i].fed, strlen(moments[i].fed), NULL), BP_OK);
        assert_string_equal(bp_text_get(&h.text), moments[i].heard);
    }
    bp_answer_free(answer);
    bp_text_free(&h.text);
}

static void arguments_are_handed_on_while_they_come(void **state) {
    (void)state;
    const moment hermes[] = { { "<tool_call>{\"name\": \"f\", \"argu", "" }, { "ments\": ", "" }, { "{\"a\"", "f({\"a\"" },
                              { ": \"x", "f({\"a\": \"x" }, { " y\xC3", "f({\"a\": \"x y" }, { "\xA9", "f({\"a\": \"x yé" } };
    const moment coder[] = { { "<tool_call>\n<function=f>\n<parameter=a>\n", "f({\"a\": " }, { "x <", "f({\"a\": \"x " },
                             { "y", "f({\"a\": \"x <y" }, { "\n", "f({\"a\": \"x <y" }, { "z", "f({\"a\": \"x <y\\nz" },
                             { "</parameter>\n<parameter=b>12", "f({\"a\": \"x <y\\nz\", \"b\": " },
                             { "3</p", "f({\"a\": \"x <y\\nz\", \"b\": " },
                             { "arameter>", "f({\"a\": \"x <y\\nz\", \"b\": 123" } };
    const moment lfm2[] = { { "<|tool_call_start|>[f(a", "" }, { "=", "f({\"a\": " }, { "'x", "f({\"a\": \"x" }, { "y", "f({\"a\": \"xy" },
                            { "', b=[1", "f({\"a\": \"xy\", \"b\": [" }, { "0,", "f({\"a\": \"xy\", \"b\": [10" } };
    const moment harmony[] = { { "<|channel|>commentary to=functions.f<|message|>", "" }, { "{\"a", "f({\"a" } };
    check_moments(HERMES, NULL, hermes, BP_COUNT(hermes));
    check_moments(HERMES, NULL, coder, BP_COUNT(coder));
    check_moments(LFM2, NULL, lfm2, BP_COUNT(lfm2));
    check_moments(HARMONY, NULL, harmony, BP_COUNT(harmony));
}

static void tools_say_what_is_a_call_and_its_parameters(void **state) {
    (void)state;
    json_t *tools = json_loads("[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"properties\": "
                               "{\"zip\": {\"type\": \"string\"}, \"ok\": {\"type\": \"boolean\"}, \"n\": {\"type\": \"integer\"}, "
                               "\"either\": {\"type\": [\"string\", \"integer\"]}, \"list\": {\"type\": \"array\"}, "
                               "\"object\": {\"type\": \"object\"}}}}}]", 0, NULL);
    const moment moments[] = { { "<tool_call><function=f><parameter=zip>30", "f({\"zip\": \"30" },
                               { "12</parameter><parameter=ok>True</parameter><parameter=n>7</parameter><parameter=either>5</parameter>"
                                 "<parameter=list>['a', \"b'\", None]</parameter><parameter=object>{'k': [1, {}]}</parameter></function>",
                                 "f({\"zip\": \"3012\", \"ok\": true, \"n\": 7, \"either\": 5, \"list\": [\"a\", \"b'\", null], "
                                 "\"object\": {\"k\": [1, {}]}}" } };
    check_moments(HERMES, tools, moments, BP_COUNT(moments));
    const moment other[] = { { "{\"name\": \"g\"", "C{{\"name\": \"g\"" } };
    const moment same[] = { { "{\"name\": \"f\", \"parameters\": {", "f({" } };
    check_moments(LLAMA, tools, other, BP_COUNT(other));
    check_moments(LLAMA, tools, same, BP_COUNT(same));
    const moment python[] = { { "[g(a=1", "C{[g(a=1" } };
    check_moments(PYTHONIC, tools, python, BP_COUNT(python));
    json_decref(tools);
}

static void gather(void *user, int kind, uint32_t call, const char *text, size_t n) {
    json_array_append_new(user, bp_answer_delta(kind, call, text, n));
}

static void deltas_in_openai_form(void **state) {
    (void)state;
    json_t *deltas = json_array();
    bp_answer *answer;
    assert_int_equal(bp_answer_new(HERMES, NULL, 0, NULL, gather, deltas, &answer, NULL), BP_OK);
    const char *pieces[] = { "<think>hm</think>I look.<tool_call>{\"name\": \"f\", \"arguments\": {\"a\"", ": 1}}</tool_call>" };
    for (size_t i = 0; i < 2; i++) bp_answer_feed(answer, pieces[i], strlen(pieces[i]), NULL);
    bp_answer_end(answer, NULL);
    bp_answer_free(answer);
    json_t *expected = json_loads("[{\"reasoning_content\": \"hm\"}, {\"content\": \"I look.\"}, {\"tool_calls\": [{\"index\": 0, \"id\": "
                                  "\"call_0\", \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"\"}}]}, {\"tool_calls\": "
                                  "[{\"index\": 0, \"function\": {\"arguments\": \"{\\\"a\\\"\"}}]}, {\"tool_calls\": [{\"index\": 0, "
                                  "\"function\": {\"arguments\": \": 1}\"}}]}]", 0, NULL);
    assert_true(json_equal(deltas, expected));
    json_decref(deltas);
    json_decref(expected);
}

static void a_message_in_openai_form(void **state) {
    (void)state;
    static const char text[] =
        "<think>hm</think>I look.<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>";
    json_t *message;
    assert_int_equal(bp_answer_message(HERMES, NULL, 0, NULL, text, sizeof text - 1, &message, NULL), BP_OK);
    json_t *expected =
        json_loads("{\"role\": \"assistant\", \"content\": \"I look.\", \"reasoning_content\": \"hm\", \"tool_calls\": "
                   "[{\"id\": \"call_0\", \"type\": \"function\", \"function\": {\"name\": \"f\", "
                   "\"arguments\": \"{\\\"a\\\": 1}\"}}]}",
                   0, NULL);
    assert_true(json_equal(message, expected));
    json_decref(message);
    json_decref(expected);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* 64 KB of the same, in one piece and in small ones: each under a second, and the same. */
static void check_time(const char *template_text, const char *begin, const char *again) {
    bp_text text = { 0 }, sums[2] = { { 0 }, { 0 } };
    bp_text_adds(&text, begin);
    while (text.size < 65536) bp_text_adds(&text, again);
    const size_t pieces[] = { text.size, 3 };
    for (int i = 0; i < 2; i++) {
        heard h = { .kind = -1 };
        bp_answer *answer;
        double start = seconds();
        assert_int_equal(bp_answer_new(template_text, NULL, 0, NULL, hear, &h, &answer, NULL), BP_OK);
        for (size_t at = 0; at < text.size; at += pieces[i])
            bp_answer_feed(answer, text.data + at, BP_MIN(pieces[i], text.size - at), NULL);
        bp_answer_end(answer, NULL);
        if (seconds() - start > 1) fail_msg("%s %s: %.1f s", begin, again, seconds() - start);
        bp_answer_free(answer);
        sums[i] = h.text;
    }
    assert_string_equal(bp_text_get(&sums[0]), bp_text_get(&sums[1]));
    bp_text_free(&sums[0]);
    bp_text_free(&sums[1]);
    bp_text_free(&text);
}

static void long_answers_take_time_in_proportion(void **state) {
    (void)state;
    check_time(HERMES, "<tool_call>", "<tool_calls <");
    check_time(HERMES, "", "<tool_call>");
    check_time(HERMES, "<tool_call>{\"name\": \"", "x");
    check_time(HERMES, "<tool_call>{\"name\": \"f\", \"arguments\": \"", "\\n");
    check_time(HERMES, "<tool_call>{\"name\": \"f\", \"arguments\": ", "{\"a\":");
    check_time(HERMES, "<tool_call>{\"x\": ", "[");
    check_time(HERMES, "<tool_call>f", "<arg_key>k</arg_key><arg_value>1</arg_value>");
    check_time(HERMES, "<tool_call><function=f>", "<parameter=k>[1,\n</parameter");
    check_time(HERMES, "<tool_call><function=f>", "<parameter=k>1</parameter>");
    check_time(LLAMA, "", "{");
    check_time(LLAMA, "<|python_tag|>", "a");
    check_time(MISTRAL, "", "[TOOL_CALLS]");
    check_time(MISTRAL, "[TOOL_CALLS]", "x");
    check_time(HARMONY, "", "<|channel|>");
    check_time(HARMONY, "<|channel|>commentary to=functions.f<|message|>", "{\"a\": ");
    check_time(PYTHONIC, "", "[f(");
    check_time(LFM2, "<|tool_call_start|>[f(a=", "[");
    check_time(LFM2, "<|tool_call_start|>[f(a=", "'\\n', b=");
    check_time(GEMMA4, "<|tool_call>call:f{a:", "<|\"|>x<|\"|>,");
    check_time(FUNCTIONARY3_2, "", ">>>f\n");
    check_time(GRANITE, "", "Here is my thought process: Here is my response:");
    check_time(DSML, "", "<｜DSML｜invoke name=\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_in_pieces_of_every_size),
        cmocka_unit_test(every_form_split_at_every_byte),
        cmocka_unit_test(arguments_are_handed_on_while_they_come),
        cmocka_unit_test(tools_say_what_is_a_call_and_its_parameters),
        cmocka_unit_test(deltas_in_openai_form),
        cmocka_unit_test(no_marker_begins_another_one),
        cmocka_unit_test(content_is_handed_on_at_once),
        cmocka_unit_test(a_message_in_openai_form),
        cmocka_unit_test(long_answers_take_time_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
