/* Renders many templates in one process: lines of JSON {"template": …, "variables": {…}} in, lines of JSON
 * {"out": …} or {"error": …} out. For the tests that compare with jinja2. */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/jinja.h"

static bp_status render(const json_t *job, bp_text *out, bp_error *error) {
    const json_t *text = json_object_get(job, "template");
    bp_jinja *jinja;
    bp_status status = bp_jinja_compile(json_string_value(text), json_string_length(text), &jinja, error);
    if (!status) status = bp_jinja_render(jinja, json_object_get(job, "variables"), out, error);
    bp_jinja_free(jinja);
    return status;
}

static void answer(const json_t *job) {
    bp_text out = { 0 };
    bp_error error = BP_ERROR_INIT;
    json_t *line = render(job, &out, &error) ? json_pack("{s:s}", "error", error.message)
                                             : json_pack("{s:o}", "out", json_stringn(bp_text_get(&out), out.size));
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
    bp_text_free(&out);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, stdin)) > 0) {
        json_t *job = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
        if (!job) return 1;
        answer(job);
        json_decref(job);
    }
    free(line);
    return 0;
}
