/* What filters and methods share. Private to core/text. */
#ifndef BP_TEXT_JINJA_SEQUENCE_H
#define BP_TEXT_JINJA_SEQUENCE_H

#include "core/text/jinja_exec.h"

/* Shorthand of argument lists: x, self, the bound arguments a, and all arguments. */
#define BP_JCALL(name) bp_jv name(bp_jx *x, bp_jv self, const bp_jv *a, const bp_jargs *args)
#define BP_JUNUSED (void)x, (void)self, (void)a, (void)args

static inline bool bp_jgiven(bp_jv v) { return v.type != BP_J_MISSING; }
static inline bool bp_jgiven_some(bp_jv v) { return v.type != BP_J_MISSING && v.type != BP_J_NONE; }
static inline bool bp_jflag(bp_jv v, bool otherwise) { return bp_jgiven(v) ? bp_jv_truth(v) : otherwise; }
/* An integer argument; false and an error where it is none. */
bool bp_jinteger(bp_jx *x, bp_jv v, int64_t otherwise, int64_t *out);
/* A text argument (no other type); false and an error where it is none. */
bool bp_jtext(bp_jx *x, bp_jv v, const bp_jstring **out);

/* "a.b.0" or a number: item by item, as jinja2's attribute arguments; otherwise (or MISSING) stands for undefined. */
bp_jv bp_jpath(bp_jx *x, bp_jv item, bp_jv path, bp_jv otherwise);

/* Methods of str that filters use as well. */
bp_jv bp_jstrip(bp_jx *x, bp_jv text, bp_jv characters, bool left, bool right);
bp_jv bp_jreplace(bp_jx *x, bp_jv text, const bp_jstring *old, const bp_jstring *with, int64_t count);
bp_jv bp_jcapitalize(bp_jx *x, bp_jv text);
bp_jv bp_jupper(bp_jx *x, bp_jv text);
bp_jv bp_jcenter(bp_jx *x, bp_jv text, int64_t width, int32_t fill, char align);
bp_jv bp_jsplit_lines(bp_jx *x, bp_jv text, bool keep_ends);
/* Is there a character of class wanted, and none of the other? */
bp_jv bp_jis_case(bp_jx *x, const bp_jstring *s, uint32_t wanted, uint32_t other);
bool bp_jparse_int(const bp_jstring *s, int base, int64_t *out);
bool bp_jparse_float(const bp_jstring *s, double *out);

/* bp_jstr_NAME: the methods of str, in the files jinja_string*.c. */
#define BP_JSTRING_METHOD(name, parameters) BP_JCALL(bp_jstr_##name);
#include "core/text/jinja_string_methods.def"
#undef BP_JSTRING_METHOD

extern const bp_jfunction bp_jsequence_filters[]; /* of jinja_items.c; ended by a NULL name */
extern const bp_jfunction bp_jstring_methods[];   /* of jinja_string.c */

#endif
