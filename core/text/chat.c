#define _GNU_SOURCE
#include "core/text/chat.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

struct around { const char *before, *after; };

struct bp_chat_format {
    const char *name;
    const char *marks[3]; /* texts that the template must all contain */
    const char *default_system;
    struct around system, user, assistant;
    const char *later_user; /* before a user's message that is not the first; NULL: as the first */
    const char *generation; /* begins the answer */
    bool system_in_user;    /* the system message stands inside the first user's message */
    bool trim;              /* contents lose the spaces at both ends */
};

#define CHATML(its_name, its_default)                                                                  \
    .name = its_name, .default_system = its_default, .system = { "<|im_start|>system\n", "<|im_end|>\n" }, \
    .user = { "<|im_start|>user\n", "<|im_end|>\n" },                                                  \
    .assistant = { "<|im_start|>assistant\n", "<|im_end|>\n" }, .generation = "<|im_start|>assistant\n"
#define SMOLLM2 "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
#define QWEN25 "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
#define QWEN2 "You are a helpful assistant."
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"

/* The first whose marks are all there is taken. */
static const bp_chat_format formats[] = {
    { CHATML("chatml-smollm2", SMOLLM2), .marks = { "<|im_start|>", SMOLLM2 } },
    { CHATML("chatml-qwen2.5", QWEN25), .marks = { "<|im_start|>", QWEN25 } },
    { CHATML("chatml-qwen2", QWEN2), .marks = { "<|im_start|>", "system\\n" QWEN2 "<|im_end|>" } },
    { CHATML("chatml-qwen2", QWEN2), .marks = { "<|im_start|>", "system\n" QWEN2 "<|im_end|>" } },
    { CHATML("chatml", NULL), .marks = { "<|im_start|>" } },
    { .name = "llama3", .marks = { "<|start_header_id|>", "<|eot_id|>" }, .system = { HEADER("system"), "<|eot_id|>" },
      .user = { HEADER("user"), "<|eot_id|>" }, .assistant = { HEADER("assistant"), "<|eot_id|>" },
      .generation = HEADER("assistant"), .trim = true },
    { .name = "llama2", .marks = { "[INST]", "<<SYS>>" }, .system = { "<<SYS>>\n", "\n<</SYS>>\n\n" },
      .user = { "[INST] ", " [/INST]" }, .assistant = { " ", " </s>" }, .later_user = "<s>[INST] ", .generation = "",
      .system_in_user = true, .trim = true },
    { .name = "mistral-v1", .marks = { "[INST]", " [/INST]" }, .system = { "", "\n\n" },
      .user = { "[INST] ", " [/INST]" }, .assistant = { " ", "</s>" }, .generation = "", .system_in_user = true },
    { .name = "mistral-v3", .marks = { "[INST]", "[/INST]" }, .system = { "", "\n\n" },
      .user = { "[INST] ", "[/INST]" }, .assistant = { " ", "</s>" }, .generation = "", .system_in_user = true },
    { .name = "gemma", .marks = { "<start_of_turn>", "<end_of_turn>" }, .system = { "", "\n\n" },
      .user = { "<start_of_turn>user\n", "<end_of_turn>\n" },
      .assistant = { "<start_of_turn>model\n", "<end_of_turn>\n" },
      .generation = "<start_of_turn>model\n", .system_in_user = true, .trim = true },
    { .name = "phi3", .marks = { "<|assistant|>", "<|end|>" }, .system = { "<|system|>\n", "<|end|>\n" },
      .user = { "<|user|>\n", "<|end|>\n" }, .assistant = { "<|assistant|>\n", "<|end|>\n" },
      .generation = "<|assistant|>\n" },
    { .name = "zephyr", .marks = { "<|user|>", "<|assistant|>", "eos_token" }, .system = { "<|system|>\n", "</s>\n" },
      .user = { "<|user|>\n", "</s>\n" }, .assistant = { "<|assistant|>\n", "</s>\n" },
      .generation = "<|assistant|>\n" },
};

static bool contains_all(const bp_chat_format *f, bp_gguf_string text) {
    for (size_t i = 0; i < BP_COUNT(f->marks) && f->marks[i]; i++)
        if (!memmem(text.data, text.size, f->marks[i], strlen(f->marks[i]))) return false;
    return true;
}

const bp_chat_format *bp_chat_detect(const bp_gguf *file, bp_error *error) {
    bp_gguf_string text;
    if (!bp_gguf_string_at(bp_gguf_find(file, "tokenizer.chat_template"), 0, &text)) {
        bp_fail(error, BP_E_NOT_FOUND, "%s: no tokenizer.chat_template: the model is not made for chats",
                bp_gguf_path(file));
        return NULL;
    }
    for (size_t i = 0; i < BP_COUNT(formats); i++)
        if (contains_all(&formats[i], text)) return &formats[i];
    bp_fail(error, BP_E_UNSUPPORTED, "%s: tokenizer.chat_template: not a known chat format", bp_gguf_path(file));
    return NULL;
}

const bp_chat_format *bp_chat_find(const char *name) {
    for (size_t i = 0; i < BP_COUNT(formats); i++)
        if (!strcmp(formats[i].name, name)) return &formats[i];
    return NULL;
}

const char *bp_chat_name(const bp_chat_format *format) { return format->name; }

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void add_content(const bp_chat_format *f, const char *content, bp_text *out) {
    size_t n = strlen(content);
    if (f->trim) {
        while (n && is_space(content[0])) content++, n--;
        while (n && is_space(content[n - 1])) n--;
    }
    bp_text_add(out, content, n);
}

static void add_around(const bp_chat_format *f, const struct around *around, const char *content, bp_text *out) {
    bp_text_adds(out, around->before);
    add_content(f, content, out);
    bp_text_adds(out, around->after);
}

static void add_user(const bp_chat_format *f, const char *system, bool first, const char *content, bp_text *out) {
    bp_text_adds(out, first || !f->later_user ? f->user.before : f->later_user);
    if (system) add_around(f, &f->system, system, out);
    add_content(f, content, out);
    bp_text_adds(out, f->user.after);
}

static bp_status check(const bp_chat_message *messages, size_t n, bp_error *error) {
    for (size_t i = 0; i < n; i++) {
        const char *role = messages[i].role;
        bool known = !strcmp(role, "user") || !strcmp(role, "assistant");
        if (known || (i == 0 && !strcmp(role, "system"))) continue;
        return bp_fail(error, BP_E_INVALID, "chat message %zu: role \"%.32s\": it must be user or assistant%s", i, role,
                       i ? "; a system message comes first" : " or system");
    }
    return BP_OK;
}

bp_status bp_chat_render(const bp_chat_format *f, const bp_chat_message *messages, size_t n, bool add_generation_prompt,
                         bp_text *out, bp_error *error) {
    bp_status status = check(messages, n, error);
    if (status != BP_OK) return status;
    bool has_system = n && !strcmp(messages[0].role, "system"), first = true;
    const char *system = has_system ? messages[0].content : n ? f->default_system : NULL;
    if (system && !f->system_in_user) add_around(f, &f->system, system, out);
    if (!f->system_in_user) system = NULL;
    for (size_t i = has_system; i < n; i++) {
        if (!strcmp(messages[i].role, "assistant")) {
            add_around(f, &f->assistant, messages[i].content, out);
            continue;
        }
        add_user(f, first ? system : NULL, first, messages[i].content, out);
        first = false;
    }
    if (add_generation_prompt) bp_text_adds(out, f->generation);
    return out->failed ? bp_fail(error, BP_E_NO_MEMORY, "chat: out of memory") : BP_OK;
}
