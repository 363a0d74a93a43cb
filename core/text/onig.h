/* Patterns as tokenizer.json files have them (Oniguruma's Ruby syntax) written for PCRE2: nested classes and their
 * intersections taken apart, white space, digits and words as Oniguruma knows them, ^ and $ at each line. */
#ifndef BP_TEXT_ONIG_H
#define BP_TEXT_ONIG_H

#include "backplane/status.h"
#include "core/base/text.h"

/* Add the pattern for PCRE2 to out. BP_E_UNSUPPORTED names what is not known, and where. */
bp_status bp_onig_translate(const char *pattern, size_t n, bp_text *out, bp_error *error);
/* Add a pattern that matches exactly the text (valid UTF-8). */
void bp_onig_literal(const char *text, size_t n, bp_text *out);

#endif
