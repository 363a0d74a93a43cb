/* Tests: what stands after `is`. */
#include <string.h>

#include "core/text/jinja_sequence.h"

static bp_jv modulo_is(bp_jx *x, bp_jv v, bp_jv by, int64_t wanted) {
    bp_jv rest = bp_jx_binary(x, '%', v, by);
    bool equal = false;
    if (!rest.type || !bp_jv_equals(x, rest, bp_jv_int(wanted), &equal)) return (bp_jv){ 0 };
    return bp_jv_bool(equal);
}

static BP_JCALL(is_odd) { BP_JUNUSED; return modulo_is(x, self, bp_jv_int(2), 1); }
static BP_JCALL(is_even) { BP_JUNUSED; return modulo_is(x, self, bp_jv_int(2), 0); }
static BP_JCALL(is_divisible) { BP_JUNUSED; return modulo_is(x, self, a[0], 0); }
static BP_JCALL(is_defined) { BP_JUNUSED; return bp_jv_bool(self.type != BP_J_UNDEFINED); }
static BP_JCALL(is_undefined) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_UNDEFINED); }
static BP_JCALL(is_none) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_NONE); }
static BP_JCALL(is_boolean) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_BOOL); }
static BP_JCALL(is_true) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_BOOL && self.truth); }
static BP_JCALL(is_false) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_BOOL && !self.truth); }
static BP_JCALL(is_integer) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_INT); }
static BP_JCALL(is_float) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_FLOAT); }
static BP_JCALL(is_number) { BP_JUNUSED; return bp_jv_bool(bp_jv_is_number(self)); }
static BP_JCALL(is_string) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_STRING); }
static BP_JCALL(is_mapping) { BP_JUNUSED; return bp_jv_bool(self.type == BP_J_DICT); }

static BP_JCALL(is_escaped) {
    BP_JUNUSED;
    return bp_jv_bool(self.type == BP_J_STRING && self.string->safe);
}

static BP_JCALL(is_sequence) {
    BP_JUNUSED;
    return bp_jv_bool(bp_jv_length(self) >= 0 && self.type != BP_J_VIEW);
}

static BP_JCALL(is_iterable) {
    BP_JUNUSED;
    return bp_jv_bool(bp_jv_length(self) >= 0 || self.type == BP_J_ITERATOR || self.type == BP_J_LOOP);
}

static BP_JCALL(is_callable) {
    BP_JUNUSED;
    return bp_jv_bool(self.type == BP_J_FUNCTION || self.type == BP_J_MACRO || self.type == BP_J_LOOP ||
                      self.type == BP_J_JOINER || self.type == BP_J_UNDEFINED);
}

static bp_jv cased(bp_jx *x, bp_jv v, uint32_t wanted, uint32_t other) {
    v = bp_jv_to_string(x, v);
    return v.type ? bp_jis_case(x, v.string, wanted, other) : v;
}

static BP_JCALL(is_lower) { BP_JUNUSED; return cased(x, self, BP_JCHAR_LOWER, BP_JCHAR_UPPER); }
static BP_JCALL(is_upper) { BP_JUNUSED; return cased(x, self, BP_JCHAR_UPPER, BP_JCHAR_LOWER); }
static BP_JCALL(is_same) { BP_JUNUSED; return bp_jv_bool(bp_jv_same(self, a[0])); }

static BP_JCALL(is_in) {
    BP_JUNUSED;
    bool found = false;
    return bp_jv_contains(x, a[0], self, &found) ? bp_jv_bool(found) : (bp_jv){ 0 };
}

static BP_JCALL(is_filter) {
    BP_JUNUSED;
    uint64_t hash;
    if (!bp_jv_hash(x, self, &hash)) return (bp_jv){ 0 };
    return bp_jv_bool(self.type == BP_J_STRING && bp_jinja_filter(self.string->data));
}

static BP_JCALL(is_test) {
    BP_JUNUSED;
    uint64_t hash;
    if (!bp_jv_hash(x, self, &hash)) return (bp_jv){ 0 };
    return bp_jv_bool(self.type == BP_J_STRING && bp_jinja_test(self.string->data));
}

static bp_jv equals(bp_jx *x, bp_jv left, bp_jv right, bool wanted) {
    bool equal;
    return bp_jv_equals(x, left, right, &equal) ? bp_jv_bool(equal == wanted) : (bp_jv){ 0 };
}

static bp_jv less(bp_jx *x, bp_jv left, bp_jv right, bool or_equal) {
    bool yes = false, equal = false;
    if (!bp_jv_less(x, left, right, &yes) || (or_equal && !bp_jv_equals(x, left, right, &equal))) return (bp_jv){ 0 };
    return bp_jv_bool(yes || equal);
}

static BP_JCALL(is_eq) { BP_JUNUSED; return equals(x, self, a[0], true); }
static BP_JCALL(is_ne) { BP_JUNUSED; return equals(x, self, a[0], false); }
static BP_JCALL(is_lt) { BP_JUNUSED; return less(x, self, a[0], false); }
static BP_JCALL(is_le) { BP_JUNUSED; return less(x, self, a[0], true); }
static BP_JCALL(is_gt) { BP_JUNUSED; return less(x, a[0], self, false); }
static BP_JCALL(is_ge) { BP_JUNUSED; return less(x, a[0], self, true); }

static const bp_jfunction tests[] = {
    { "odd", "", is_odd },
    { "even", "", is_even },
    { "divisibleby", "num", is_divisible },
    { "defined", "", is_defined },
    { "undefined", "", is_undefined },
    { "filter", "", is_filter },
    { "test", "", is_test },
    { "none", "", is_none },
    { "boolean", "", is_boolean },
    { "false", "", is_false },
    { "true", "", is_true },
    { "integer", "", is_integer },
    { "float", "", is_float },
    { "lower", "", is_lower },
    { "upper", "", is_upper },
    { "string", "", is_string },
    { "mapping", "", is_mapping },
    { "number", "", is_number },
    { "sequence", "", is_sequence },
    { "iterable", "", is_iterable },
    { "callable", "", is_callable },
    { "sameas", "other", is_same },
    { "escaped", "", is_escaped },
    { "in", "seq", is_in },
    { "==", "!other", is_eq },
    { "eq", "!other", is_eq },
    { "equalto", "!other", is_eq },
    { "!=", "!other", is_ne },
    { "ne", "!other", is_ne },
    { ">", "!other", is_gt },
    { "gt", "!other", is_gt },
    { "greaterthan", "!other", is_gt },
    { "ge", "!other", is_ge },
    { ">=", "!other", is_ge },
    { "<", "!other", is_lt },
    { "lt", "!other", is_lt },
    { "lessthan", "!other", is_lt },
    { "<=", "!other", is_le },
    { "le", "!other", is_le },
    { NULL, NULL, NULL },
};

const bp_jfunction *bp_jinja_test(const char *name) {
    for (const bp_jfunction *t = tests; t->name; t++)
        if (!strcmp(t->name, name)) return t;
    return NULL;
}
