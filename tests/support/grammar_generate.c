/* Generations under JSON schemas for the integration tests, the model loaded once. Reads requests from stdin, one JSON
 * object a line, {"schema": TEXT, "prompt": TEXT, "seed": S, "temperature": T, "most": TOKENS}, and answers each with
 * one line of JSON: {"text": TEXT, "ended": BOOL} or {"error": WORDS}. Usage: grammar_generate -m MODEL.gguf [further
 * settings] */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/run/generate.h"
#include "core/run/command.h"
#include "core/run/session.h"

static bool add(void *self, const bp_generated *token) {
    bp_text_add(self, token->bytes, token->n_bytes);
    return true;
}

static bp_status generate(bp_session *session, const bp_sampler_settings *settings, const json_t *request,
                          bp_text *text, bool *ended, bp_error *error) {
    bp_sampler *sampler = NULL;
    bp_tokens prompt = { 0 };
    bp_generation_result result = { 0 };
    bp_status status = bp_sampler_new(settings, session->tokenizer, &sampler, error);
    const json_t *words = json_object_get(request, "prompt");
    if (!status)
        status = bp_tokenize(session->tokenizer, json_string_value(words), json_string_length(words),
                             BP_TOKENIZE_SPECIAL, &prompt, error);
    if (!status) status = bp_run_truncate(session->run, BP_SEQUENCE_MAIN, 0, error);
    bp_generation g = { .run = session->run,
                        .tokenizer = session->tokenizer,
                        .sampler = sampler,
                        .sequence = BP_SEQUENCE_MAIN,
                        .limit = json_integer_value(json_object_get(request, "most")),
                        .each = add,
                        .self = text };
    if (!status) status = bp_generate(&g, prompt.ids, (int64_t)prompt.count, &result, error);
    *ended = result.end == BP_END_TOKEN;
    free(prompt.ids);
    bp_sampler_free(sampler);
    return status;
}

static json_t *answer(bp_session *session, const json_t *request) {
    bp_sampler_settings settings = bp_sampler_settings_from(session->config);
    bp_text text = { 0 };
    bp_error error = BP_ERROR_INIT;
    bool ended;
    settings.json_schema = json_string_value(json_object_get(request, "schema"));
    settings.seed = json_integer_value(json_object_get(request, "seed"));
    settings.temperature = json_number_value(json_object_get(request, "temperature"));
    bp_status status = generate(session, &settings, request, &text, &ended, &error);
    json_t *made = status ? json_pack("{s:s}", "error", error.message)
                          : json_pack("{s:o,s:b}", "text", json_stringn(bp_text_get(&text), text.size), "ended", ended);
    bp_text_free(&text);
    return made ? made : json_pack("{s:s}", "error", "the text is no UTF-8");
}

static bp_status serve(bp_config *config, const bp_own_flag *own, bp_error *error) {
    bp_session session;
    char *line = NULL;
    size_t room = 0;
    (void)own;
    bp_status status = bp_session_open(config, true, &session, error);
    if (status) return status;
    while (getline(&line, &room, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL), *made = answer(&session, request);
        json_dumpf(made, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(made);
        json_decref(request);
    }
    free(line);
    bp_session_close(&session);
    return BP_OK;
}

int main(int argc, char **argv) {
    return bp_command_main(argc, argv, "generate under JSON schemas", NULL, 0, serve);
}
