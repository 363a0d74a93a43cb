/* Strings: pattern, format, minLength, maxLength. */
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/size.h"
#include "core/text/grammar_regex.h"
#include "core/text/grammar_schema.h"

typedef struct format {
    const char *name, *pattern;
} format;

static const format formats[] = {
#define BP_FORMAT(name, pattern) { name, pattern },
#include "core/text/grammar_formats.def"
#undef BP_FORMAT
};

/* Formats of JSON Schema that no pattern here stands for. */
static bool is_refused(const char *name) {
    static const char *const list[] = { "regex", "idn-email", "idn-hostname", "iri", "iri-reference", "uri-template" };
    for (size_t i = 0; i < BP_COUNT(list); i++)
        if (!strcmp(name, list[i])) return true;
    return false;
}

static const char *pattern_of(bp_schema *s, const json_t *schema) {
    const json_t *value = json_object_get(schema, "format");
    const char *name = json_string_value(value);
    if (value && !name) return bp_schema_fail(s, BP_E_INVALID, "format", "should be a text"), NULL;
    for (size_t i = 0; name && i < BP_COUNT(formats); i++)
        if (!strcmp(formats[i].name, name)) return formats[i].pattern;
    if (name && is_refused(name))
        return bp_schema_fail(s, BP_E_UNSUPPORTED, "format", "the format '%s' is not supported", name), NULL;
    if (name)
        bp_log(BP_LOG_WARN, "JSON schema, #%s/format: unknown format '%s', which is passed over", bp_text_get(&s->path),
               name);
    return NULL;
}

static uint32_t quoted(bp_schema *s, uint32_t inside) {
    return BP_SEQUENCE(s->r, bp_expr_text(s->r, "\""), inside, bp_expr_text(s->r, "\""));
}

static uint32_t by_pattern(bp_schema *s, const char *text, size_t n, uint32_t flags, uint32_t least, uint32_t most) {
    size_t before = bp_schema_enter(s, flags & BP_REGEX_WHOLE ? "format" : "pattern", NULL);
    char what[120];
    const char *path = bp_text_get(&s->path);
    size_t length = strlen(path);
    snprintf(what, sizeof what, "JSON schema, #%s", path + (length > 90 ? length - 90 : 0));
    bp_schema_leave(s, before);
    bp_regex regex = bp_regex_read(s->r, text, n, flags | BP_REGEX_JSON, what);
    if (!bp_regex_bound(s->r, &regex, least, most))
        return bp_schema_fail(
            s, BP_E_UNSUPPORTED, least > regex.least ? "minLength" : "maxLength",
            "beside a pattern or format that is not of one repeated character: put the length into the pattern");
    return quoted(s, regex.expr);
}

uint32_t bp_schema_string(bp_schema *s, const json_t *schema) {
    uint32_t least = bp_schema_count(s, schema, "minLength", 0);
    uint32_t most = bp_schema_count(s, schema, "maxLength", BP_REPEAT_NO_END);
    const json_t *pattern = json_object_get(schema, "pattern");
    const char *format = pattern_of(s, schema);
    if (s->r->status) return 0;
    if (most < least) return bp_expr_new(s->r, BP_X_CHOICE);
    if (pattern && !json_is_string(pattern)) return bp_schema_fail(s, BP_E_INVALID, "pattern", "should be a text");
    if (pattern && format)
        return bp_schema_fail(s, BP_E_UNSUPPORTED, "pattern", "beside format: a grammar holds to one of them");
    if (format) return by_pattern(s, format, strlen(format), BP_REGEX_WHOLE, least, most);
    if (pattern) return by_pattern(s, json_string_value(pattern), json_string_length(pattern), 0, least, most);
    if (!least && most == BP_REPEAT_NO_END) return bp_schema_common(s, "string");
    return quoted(s, bp_expr_repeat(s->r, bp_schema_common(s, "character"), least, most));
}
