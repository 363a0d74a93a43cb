/* llm-template: a conversation as the text that a model was trained on, by the model's chat template. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/config/config.h"
#include "core/run/command.h"
#include "core/text/chat.h"

enum { TEMPLATE, NAME, MESSAGES, N_FLAGS };
enum { MESSAGES_LIMIT = 1 << 27 };

static bp_own_flag flags[N_FLAGS] = {
    [TEMPLATE] = { "--template", true, "a file with a template (else the model's own)", NULL },
    [NAME] = { "--template-name", true, "one of the model's further templates, such as tool_use", NULL },
    [MESSAGES] = { "--messages", true, "JSON file (- is stdin): an object of the template's variables", NULL },
};

static bp_status read_variables(json_t **out, bp_error *error) {
    bp_text text = { 0 };
    json_error_t where;
    bp_status status = bp_file_read(flags[MESSAGES].value, MESSAGES_LIMIT, &text, error);
    *out = status ? NULL : json_loadb(bp_text_get(&text), text.size, JSON_ALLOW_NUL, &where);
    bp_text_free(&text);
    if (status || json_is_object(*out)) return status;
    if (!*out)
        return bp_fail(error, BP_E_INVALID, "%s: line %d, column %d: %s", flags[MESSAGES].value, where.line,
                       where.column, where.text);
    return bp_fail(error, BP_E_INVALID, "%s: an object was expected, such as {\"messages\": [...]}",
                   flags[MESSAGES].value);
}

static bp_status open_template(const char *model, bp_gguf **file, bp_chat **chat, bp_error *error) {
    if (!flags[TEMPLATE].value) {
        bp_status status = bp_gguf_open(model, file, error);
        return status ? status : bp_chat_open(*file, flags[NAME].value, chat, error);
    }
    bp_text text = { 0 };
    bp_status status = bp_file_read(flags[TEMPLATE].value, BP_JINJA_MAX_SOURCE, &text, error);
    if (!status) status = bp_chat_new(bp_text_get(&text), text.size, NULL, NULL, chat, error);
    if (status) bp_fail_in(error, "%s: ", flags[TEMPLATE].value);
    bp_text_free(&text);
    return status;
}

static bp_status work(const char *model, bp_error *error) {
    json_t *variables = NULL;
    bp_gguf *file = NULL;
    bp_chat *chat = NULL;
    bp_text out = { 0 };
    bp_status status = read_variables(&variables, error);
    if (!status) status = open_template(model, &file, &chat, error);
    if (!status) status = bp_chat_render(chat, variables, &out, error);
    if (!status && out.size && fwrite(out.data, 1, out.size, stdout) != out.size)
        status = bp_fail(error, BP_E_IO, "cannot write to the standard output");
    if (!status && fflush(stdout)) status = bp_fail(error, BP_E_IO, "cannot write to the standard output");
    bp_text_free(&out);
    bp_chat_free(chat);
    if (file) bp_gguf_close(file);
    json_decref(variables);
    return status;
}

static bp_status run(bp_config *config, const bp_own_flag *own, bp_error *error) {
    const char *model = bp_config_text(config, BP_OPT_MODEL);
    if (!own[MESSAGES].value) return bp_command_usage(error, "no variables given: use --messages FILE.json");
    if (!own[TEMPLATE].value && !model) return bp_command_usage(error, "no template given: use --template FILE or -m MODEL.gguf");
    return work(model, error);
}

int main(int argc, char **argv) {
    return bp_command_main(argc, argv, "a conversation as the text that a model reads", flags, N_FLAGS, run);
}
