/* Compiling and rendering: the outside of the template language. */
#include "core/text/jinja.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/text/jinja_exec.h"

bp_status bp_jinja_fail_at(const bp_jinja *j, size_t at, bp_error *error, bp_status status, const char *words) {
    size_t line = 1, begin = 0;
    for (size_t i = 0; i < at && i < j->size; i++)
        if (j->source[i] == '\n') line++, begin = i + 1;
    size_t column = 1;
    for (size_t i = begin; i < at && i < j->size; i++) column += ((unsigned char)j->source[i] & 0xC0) != 0x80;
    return bp_fail(error, status, "template line %zu, column %zu: %s", line, column, words);
}

/* Line ends become \n; one at the very end is dropped. */
static bool take_source(bp_jinja *j, const char *text, size_t n) {
    j->source = bp_arena_alloc(&j->arena, n + 1);
    if (!j->source) return false;
    for (size_t i = 0; i < n; i++) {
        j->source[j->size++] = text[i] == '\r' ? '\n' : text[i];
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n') i++;
    }
    if (j->size && j->source[j->size - 1] == '\n') j->size--;
    j->source[j->size] = '\0';
    return true;
}

static bool add_special_names(bp_jinja *j, bp_error *error) {
    static const char *const names[] = { "loop", "caller", "kwargs", "varargs" };
    uint32_t *ids[] = { &j->loop, &j->caller, &j->kwargs, &j->varargs };
    bp_jtoken end = { .type = BP_JT_EOF };
    bp_jparser p = { .j = j, .tokens = &end, .error = error };
    for (int i = 0; i < 4 && !p.failed; i++) {
        const bp_jstring *name = bp_jinja_string(&j->arena, names[i], strlen(names[i]));
        if (!name) return false;
        *ids[i] = bp_jp_name(&p, name);
    }
    return !p.failed;
}

static bp_status compile(bp_jinja *j, const char *text, size_t n, bp_error *error) {
    bp_jtoken *tokens = NULL;
    size_t count = 0;
    if (n > BP_JINJA_MAX_SOURCE)
        return bp_fail(error, BP_E_REFUSED, "template: longer than the limit of %d bytes", BP_JINJA_MAX_SOURCE);
    if (!bp_utf8_is_valid(text, n)) return bp_fail(error, BP_E_INVALID, "template: not valid UTF-8");
    if (!take_source(j, text, n) || !add_special_names(j, error))
        return bp_fail(error, BP_E_NO_MEMORY, "template: out of memory");
    bp_status status = bp_jinja_lex(j, &tokens, &count, error);
    if (!status) status = bp_jinja_parse(j, tokens, count, error);
    free(tokens);
    return status;
}

bp_status bp_jinja_compile(const char *text, size_t n, bp_jinja **out, bp_error *error) {
    bp_jinja *j = calloc(1, sizeof *j);
    *out = NULL;
    if (!j) return bp_fail(error, BP_E_NO_MEMORY, "template: out of memory");
    bp_status status = compile(j, text, n, error);
    if (status) bp_jinja_free(j);
    else *out = j;
    return status;
}

void bp_jinja_free(bp_jinja *j) {
    if (!j) return;
    bp_map_free(&j->by_name);
    free(j->names);
    bp_arena_free(&j->arena);
    free(j);
}

bp_jv bp_jx_fail(bp_jx *x, const char *format, ...) {
    if (!x->failed) {
        va_list args;
        va_start(args, format);
        vsnprintf(x->message, sizeof x->message, format, args);
        va_end(args);
        x->failed = true;
    }
    return (bp_jv){ 0 };
}

bp_jv bp_jx_undefined(bp_jx *x, bp_jv v) {
    switch (v.sub) {
    case BP_J_NO_NAME: return bp_jx_fail(x, "'%s' is undefined", v.words);
    case BP_J_NO_ATTRIBUTE:
        return bp_jx_fail(x, "'%s' object has no attribute '%s'", bp_jv_type_name((bp_jv){ .type = v.of }), v.words);
    case BP_J_UNSAFE: return bp_jx_fail(x, "'%s' is not allowed here: it changes its object or is internal", v.words);
    default: return bp_jx_fail(x, "%s", v.words);
    }
}

bool bp_jx_steps(bp_jx *x, size_t n) {
    x->steps += n;
    if (x->steps <= BP_JINJA_MAX_STEPS) return !x->failed;
    x->status = BP_E_REFUSED;
    bp_jx_fail(x, "the template takes more than %d steps", BP_JINJA_MAX_STEPS);
    return false;
}

void *bp_jx_alloc(bp_jx *x, size_t bytes) {
    x->bytes += bytes < BP_JINJA_MAX_BYTES ? bytes + 16 : BP_JINJA_MAX_BYTES + 1;
    if (x->bytes > BP_JINJA_MAX_BYTES) {
        x->status = BP_E_REFUSED;
        bp_jx_fail(x, "the template needs more than %d MB of memory", BP_JINJA_MAX_BYTES >> 20);
        return NULL;
    }
    void *memory = bp_arena_alloc(&x->arena, bytes);
    if (memory) return memory;
    x->status = BP_E_NO_MEMORY;
    bp_jx_fail(x, "out of memory");
    return NULL;
}

bool bp_jx_enter(bp_jx *x) {
    if (x->depth++ < BP_JINJA_MAX_DEPTH) return true;
    x->status = BP_E_REFUSED;
    bp_jx_fail(x, "nested too deeply: more than %d levels", BP_JINJA_MAX_DEPTH);
    return false;
}

bool bp_jx_text(bp_jx *x, const bp_text *text) {
    if (!text->failed && text->size <= BP_JINJA_MAX_BYTES) return true;
    x->status = text->failed ? BP_E_NO_MEMORY : BP_E_REFUSED;
    bp_jx_fail(x, text->failed ? "out of memory" : "the output is too long");
    return false;
}

static bp_jv function_value(bp_jx *x, const bp_jfunction *function) {
    bp_jbound *bound = bp_jx_alloc(x, sizeof *bound);
    if (!bound) return (bp_jv){ 0 };
    bound->function = function;
    return (bp_jv){ .type = BP_J_FUNCTION, .function = bound };
}

/* A variable that was given, else a function of the language, else undefined. */
static bp_jv first_value(bp_jx *x, const bp_jstring *name, const json_t *variables) {
    const json_t *given = json_object_getn(variables, name->data, name->size);
    if (given) return bp_jv_from_json(x, given);
    const bp_jfunction *function = bp_jinja_global(name->data);
    if (function) return function_value(x, function);
    return (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_NO_NAME, .words = name->data };
}

static bool run(bp_jx *x, const json_t *variables) {
    x->globals = bp_jx_alloc(x, x->j->n_names * sizeof *x->globals);
    for (size_t i = 0; x->globals && i < x->j->n_names; i++) {
        x->globals[i] = first_value(x, x->j->names[i], variables);
        if (!x->globals[i].type) return false;
    }
    return x->globals && bp_jx_body(x, x->j->body, x->j->n_body) != BP_JX_FAILED;
}

bp_status bp_jinja_render(const bp_jinja *j, const json_t *variables, bp_text *out, bp_error *error) {
    if (!json_is_object(variables))
        return bp_fail(error, BP_E_INVALID, "template: the variables must be a JSON object");
    bp_text text = { 0 };
    bp_jx x = { .j = j, .out = &text, .status = BP_E_INVALID, .failed_at = SIZE_MAX };
    bp_status status = BP_OK;
    if (!run(&x, variables)) {
        if (x.failed_at == SIZE_MAX) status = bp_fail(error, x.status, "template: %s", x.message);
        else status = bp_jinja_fail_at(j, x.failed_at, error, x.status, x.message);
    } else {
        bp_text_add(out, bp_text_get(&text), text.size);
        if (out->failed) status = bp_fail(error, BP_E_NO_MEMORY, "template: out of memory");
    }
    bp_text_free(&text);
    bp_arena_free(&x.arena);
    return status;
}
