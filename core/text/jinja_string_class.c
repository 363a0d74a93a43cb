/* Methods of str that ask what its characters are. */
#include "core/text/jinja_sequence.h"

/* All characters are of a class, and there is one. */
static bp_jv all_are(bp_jx *x, bp_jv self, uint32_t class, bool empty) {
    const bp_jstring *s = self.string;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;)
        if (!(bp_jchar_class(bp_jchar_next(s->data, s->size, &at)) & class)) return bp_jv_bool(false);
    return bp_jv_bool(s->size || empty);
}

bp_jv bp_jis_case(bp_jx *x, const bp_jstring *s, uint32_t wanted, uint32_t other) {
    bool any = false;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        uint32_t class = bp_jchar_class(bp_jchar_next(s->data, s->size, &at));
        if (class & (other | BP_JCHAR_TITLE)) return bp_jv_bool(false);
        if (class & wanted) any = true;
    }
    return bp_jv_bool(any);
}

BP_JCALL(bp_jstr_isalpha) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_ALPHA, false); }
BP_JCALL(bp_jstr_isdigit) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_DIGIT, false); }
BP_JCALL(bp_jstr_isdecimal) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_DECIMAL, false); }
BP_JCALL(bp_jstr_isnumeric) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_NUMERIC, false); }
BP_JCALL(bp_jstr_isprintable) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_PRINTABLE, true); }
BP_JCALL(bp_jstr_isalnum) {
    BP_JUNUSED;
    return all_are(x, self, BP_JCHAR_ALPHA | BP_JCHAR_NUMERIC | BP_JCHAR_DIGIT | BP_JCHAR_DECIMAL, false);
}
BP_JCALL(bp_jstr_isascii) { BP_JUNUSED; return bp_jv_bool((size_t)self.string->count == self.string->size); }
BP_JCALL(bp_jstr_isupper) { BP_JUNUSED; return bp_jis_case(x, self.string, BP_JCHAR_UPPER, BP_JCHAR_LOWER); }
BP_JCALL(bp_jstr_islower) { BP_JUNUSED; return bp_jis_case(x, self.string, BP_JCHAR_LOWER, BP_JCHAR_UPPER); }

BP_JCALL(bp_jstr_isspace) {
    BP_JUNUSED;
    if (!bp_jx_work(x, self.string->size)) return (bp_jv){ 0 };
    return bp_jv_bool(self.string->size && bp_jtext_left(self.string->data, self.string->size) == self.string->size);
}

BP_JCALL(bp_jstr_isidentifier) {
    BP_JUNUSED;
    const bp_jstring *s = self.string;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        bool first = !at;
        if (!bp_jchar_in_name(bp_jchar_next(s->data, s->size, &at), first)) return bp_jv_bool(false);
    }
    return bp_jv_bool(s->size);
}

BP_JCALL(bp_jstr_istitle) {
    BP_JUNUSED;
    const bp_jstring *s = self.string;
    bool inside = false, any = false;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        uint32_t class = bp_jchar_class(bp_jchar_next(s->data, s->size, &at));
        if (class & (BP_JCHAR_UPPER | BP_JCHAR_TITLE) && inside) return bp_jv_bool(false);
        if (class & BP_JCHAR_LOWER && !inside) return bp_jv_bool(false);
        inside = class & BP_JCHAR_CASED;
        any |= inside;
    }
    return bp_jv_bool(any);
}
