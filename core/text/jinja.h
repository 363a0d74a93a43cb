/* Chat templates: the Jinja that models' authors write, with the output of Python's jinja2 as transformers sets it up
 * (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop controls, `generation` blocks, its own tojson).
 *
 * A compiled template is immutable: any number of threads may render it. Templates and variables are not trusted:
 * rendering is bounded by the limits below, and an error names line and column. Source: the documentation of jinja2
 * 3.1 and of transformers' chat templates. Not there: include, import and extends (a chat template is one file),
 * integers beyond 64 bits, and the filters lipsum, pprint, random, urlize and wordwrap. */
#ifndef BP_TEXT_JINJA_H
#define BP_TEXT_JINJA_H

#include <jansson.h>
#include <stddef.h>

#include "backplane/status.h"
#include "core/base/text.h"

enum {
    BP_JINJA_MAX_SOURCE = 1 << 20,  /* bytes of a template */
    BP_JINJA_MAX_HEIGHT = 250,      /* levels of nesting in a template */
    BP_JINJA_MAX_DEPTH = 1000,      /* levels of evaluation: nesting × calls of macros; and nesting of values */
    BP_JINJA_MAX_STEPS = 8000000,   /* nodes evaluated, items visited, 64-byte pieces of text worked on */
    BP_JINJA_MAX_BYTES = 256 << 20, /* memory of one rendering, and of its output */
    BP_JINJA_MAX_RANGE = 100000     /* items of range(), as in jinja2's sandbox */
};

typedef struct bp_jinja bp_jinja;

/* Parse a template of n bytes of UTF-8, which is copied. */
bp_status bp_jinja_compile(const char *text, size_t n, bp_jinja **out, bp_error *error);
void bp_jinja_free(bp_jinja *jinja);

/* Append the template rendered with the members of `variables` (a JSON object; key order is kept, integers and floats
 * are told apart). On failure out holds what was there before. */
bp_status bp_jinja_render(const bp_jinja *jinja, const json_t *variables, bp_text *out, bp_error *error);

#endif
