/* Takes many answers apart in one process: lines of JSON {"template": …, "prompt": …, "text": …, "tools": […]} in, lines
 * of JSON out: {"message": …} of the whole text and {"deltas": …} of it character by character. For the tests. */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/answer.h"

static void gather(void *user, int kind, uint32_t call, const char *text, size_t n) {
    json_array_append_new(user, bp_answer_delta(kind, call, text, n));
}

static const char *text_of(const json_t *job, const char *key, size_t *n) {
    const json_t *text = json_object_get(job, key);
    *n = json_string_length(text);
    return json_string_value(text);
}

static bp_status stream(const json_t *job, json_t *deltas) {
    size_t n, n_prompt, n_template;
    const char *template_text = text_of(job, "template", &n_template), *prompt = text_of(job, "prompt", &n_prompt);
    const char *text = text_of(job, "text", &n);
    bp_answer *answer;
    bp_status status = bp_answer_new(template_text, prompt, n_prompt, json_object_get(job, "tools"), gather, deltas,
                                     &answer, NULL);
    for (size_t i = 0; !status && i < n; i++) status = bp_answer_feed(answer, text + i, 1, NULL);
    if (!status) status = bp_answer_end(answer, NULL);
    bp_answer_free(answer);
    return status;
}

static bool answer(const json_t *job) {
    size_t n, n_prompt, n_template;
    const char *template_text = text_of(job, "template", &n_template), *prompt = text_of(job, "prompt", &n_prompt);
    const char *text = text_of(job, "text", &n);
    json_t *message = NULL, *deltas = json_array(), *tools = json_object_get(job, "tools");
    bool good = text &&
                !bp_answer_message(template_text, prompt, n_prompt, tools, text, n, &message, NULL) &&
                !stream(job, deltas);
    json_t *line = json_pack("{s:o?, s:o}", "message", message, "deltas", deltas);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
    return good;
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool good = true;
    while (good && (n = getline(&line, &room, stdin)) > 0) {
        json_t *job = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
        good = job && answer(job);
        json_decref(job);
    }
    free(line);
    return good ? 0 : 1;
}
