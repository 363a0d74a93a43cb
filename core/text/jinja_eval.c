/* Expressions, calls and the binding of arguments. */
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

static bp_jv eval_items(bp_jx *x, const bp_jnode *node, bp_jv list) {
    for (uint32_t i = 0; list.type && i < node->n; i++)
        if (!bp_jv_push(x, list, bp_jx_eval(x, node->items[i]))) return (bp_jv){ 0 };
    return list;
}

static bp_jv eval_dict(bp_jx *x, const bp_jnode *node) {
    bp_jv dict = bp_jv_dict(x);
    for (uint32_t i = 0; dict.type && i < node->n; i++) {
        bp_jv key = bp_jx_eval(x, node->items[i]), value = key.type ? bp_jx_eval(x, node->more[i]) : key;
        if (!bp_jv_set(x, dict.dict, key, value)) return (bp_jv){ 0 };
    }
    return dict;
}

static bp_jv eval_logic(bp_jx *x, const bp_jnode *node) {
    bp_jv left = bp_jx_eval(x, node->a);
    if (!left.type || bp_jv_truth(left) == (node->kind == BP_JK_OR)) return left;
    return bp_jx_eval(x, node->b);
}

static bp_jv eval_choice(bp_jx *x, const bp_jnode *node) {
    bp_jv test = bp_jx_eval(x, node->a);
    if (!test.type) return test;
    if (bp_jv_truth(test)) return bp_jx_eval(x, node->b);
    return node->c ? bp_jx_eval(x, node->c) : bp_jv_hint("the inline if was false and has no else");
}

static bool compare(bp_jx *x, uint8_t op, bp_jv a, bp_jv b, bool *yes) {
    bool less = false, equal = false;
    switch (op) {
    case BP_JT_EQ: return bp_jv_equals(x, a, b, yes);
    case BP_JT_NE: return bp_jv_equals(x, a, b, &equal) && ((*yes = !equal), true);
    case 'i': return bp_jv_contains(x, b, a, yes);
    case 'n': return bp_jv_contains(x, b, a, &equal) && ((*yes = !equal), true);
    case '<': return bp_jv_less(x, a, b, yes);
    case '>': return bp_jv_less(x, b, a, yes);
    default: break;
    }
    bool swapped = op == BP_JT_GE;
    if (!bp_jv_less(x, swapped ? b : a, swapped ? a : b, &less) || !bp_jv_equals(x, a, b, &equal)) return false;
    *yes = less || equal;
    return true;
}

static bp_jv eval_compare(bp_jx *x, const bp_jnode *node) {
    bp_jv left = bp_jx_eval(x, node->a);
    for (uint32_t i = 0; left.type && i < node->n; i++) {
        bp_jv right = bp_jx_eval(x, node->items[i]);
        bool yes = false;
        if (!right.type || !compare(x, node->ops[i], left, right, &yes)) return (bp_jv){ 0 };
        if (!yes || i + 1 == node->n) return bp_jv_bool(yes);
        left = right;
    }
    return left;
}

static bp_jv eval_binary(bp_jx *x, const bp_jnode *node) {
    bp_jv a = bp_jx_eval(x, node->a), b = a.type ? bp_jx_eval(x, node->b) : a;
    return b.type ? bp_jx_binary(x, node->op, a, b) : b;
}

static bp_jv eval_concat(bp_jx *x, const bp_jnode *node) {
    bp_text text = { 0 };
    bool good = true;
    for (uint32_t i = 0; good && i < node->n; i++) {
        bp_jv part = bp_jx_eval(x, node->items[i]);
        good = part.type && bp_jv_str(x, part, &text);
    }
    bp_jv joined = bp_jv_text(x, &text);
    return good ? joined : (bp_jv){ 0 };
}

static bp_jv eval_sign(bp_jx *x, const bp_jnode *node) {
    bp_jv v = bp_jx_eval(x, node->a);
    bool negative = node->kind == BP_JK_NEGATIVE;
    if (v.type == BP_J_FLOAT) return bp_jv_float(negative ? -v.number : v.number);
    if (v.type == BP_J_UNDEFINED) return bp_jx_undefined(x, v);
    if (!v.type || !bp_jv_is_integral(v))
        return bp_jx_fail(x, "bad operand type for unary -: '%s'", bp_jv_type_name(v));
    int64_t i = bp_jv_integer(v);
    if (negative && i == INT64_MIN) return bp_jx_fail(x, "the integer does not fit 64 bits");
    return bp_jv_int(negative ? -i : i);
}

static bool eval_bounds(bp_jx *x, const bp_jnode *node, bp_jrange *bounds) {
    bounds->start = node->a ? bp_jx_eval(x, node->a) : bp_jv_none();
    bounds->stop = node->b && bounds->start.type ? bp_jx_eval(x, node->b) : bp_jv_none();
    bounds->step = node->c && bounds->stop.type ? bp_jx_eval(x, node->c) : bp_jv_none();
    return !x->failed;
}

static bp_jv eval_item(bp_jx *x, const bp_jnode *node) {
    bp_jv object = bp_jx_eval(x, node->a);
    if (!object.type) return object;
    if (node->b->kind == BP_JK_SLICE) {
        bp_jrange bounds;
        return eval_bounds(x, node->b, &bounds) ? bp_jx_slice(x, object, &bounds) : (bp_jv){ 0 };
    }
    bp_jv key = bp_jx_eval(x, node->b);
    return key.type ? bp_jx_item(x, object, key) : key;
}

static bp_jv eval_slice(bp_jx *x, const bp_jnode *node) {
    bp_jrange *bounds = bp_jx_alloc(x, sizeof *bounds);
    bool good = bounds && eval_bounds(x, node, bounds);
    return good ? (bp_jv){ .type = BP_J_SLICE, .range = bounds } : (bp_jv){ 0 };
}

static bool add_keywords(bp_jx *x, bp_jv dict, bp_jkeyword *keywords, size_t *n) {
    if (dict.type != BP_J_DICT) return bp_jx_fail(x, "argument after ** must be a mapping"), false;
    for (size_t i = 0; i < dict.dict->count; i++) {
        const bp_jpair *pair = &dict.dict->pairs[i];
        if (pair->key.type != BP_J_STRING) return bp_jx_fail(x, "keywords must be strings"), false;
        keywords[(*n)++] = (bp_jkeyword){ pair->key.string->data, pair->value };
    }
    return true;
}

static bool no_duplicates(bp_jx *x, const bp_jkeyword *keywords, size_t n) {
    if (!bp_jx_steps(x, n * n / 16)) return false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(keywords[i].name, keywords[k].name))
                return bp_jx_fail(x, "the keyword argument %s is given twice", keywords[i].name), false;
    return true;
}

static bool eval_keywords(bp_jx *x, const bp_jnode *node, bp_jv caller, bp_jargs *args) {
    bp_jv more = node->c ? bp_jx_eval(x, node->c) : bp_jv_none();
    if (!more.type) return false;
    size_t n = 0, room = node->m + 1 + (more.type == BP_J_DICT ? more.dict->count : 0);
    bp_jkeyword *keywords = bp_jx_alloc(x, room * sizeof *keywords);
    if (!keywords) return false;
    for (uint32_t i = 0; i < node->m; i++) {
        bp_jv value = bp_jx_eval(x, node->more[i]);
        if (!value.type) return false;
        keywords[n++] = (bp_jkeyword){ node->words[i], value };
    }
    if (caller.type != BP_J_MISSING) keywords[n++] = (bp_jkeyword){ "caller", caller };
    if (node->c && !add_keywords(x, more, keywords, &n)) return false;
    args->keywords = keywords;
    args->n_keywords = n;
    return no_duplicates(x, keywords, n);
}

bool bp_jx_arguments(bp_jx *x, const bp_jnode *node, bp_jv caller, bp_jargs *args) {
    *args = (bp_jargs){ 0 };
    if (node->n || node->b) {
        bp_jv list = eval_items(x, node, bp_jv_list(x, node->n));
        bp_jv more = list.type && node->b ? bp_jx_eval(x, node->b) : list;
        if (!more.type) return false;
        if (node->b) more = bp_jx_to_list(x, more);
        if (!more.type) return false;
        for (size_t i = 0; node->b && i < more.list->count; i++)
            if (!bp_jv_push(x, list, more.list->items[i])) return false;
        args->items = list.list->items;
        args->count = list.list->count;
    }
    bool keywords = node->m || node->c || caller.type != BP_J_MISSING;
    return !keywords || eval_keywords(x, node, caller, args);
}

static bp_jv eval_call(bp_jx *x, const bp_jnode *node) {
    bp_jv callee = bp_jx_eval(x, node->a);
    bp_jargs args;
    if (!callee.type || !bp_jx_arguments(x, node, (bp_jv){ .type = BP_J_MISSING }, &args)) return (bp_jv){ 0 };
    return bp_jx_call(x, callee, &args);
}

bp_jv bp_jx_filter(bp_jx *x, const bp_jnode *node, bp_jv input) {
    bp_jv v = !node->a                        ? input
              : node->a->kind == BP_JK_FILTER ? bp_jx_filter(x, node->a, input)
                                              : bp_jx_eval(x, node->a);
    bp_jargs args;
    if (!v.type) return v;
    if (!node->function) return bp_jx_fail(x, "no filter named '%s'", node->value.string->data);
    if (!bp_jx_arguments(x, node, (bp_jv){ .type = BP_J_MISSING }, &args)) return (bp_jv){ 0 };
    bp_jv result = bp_jx_apply(x, node->function, v, &args);
    if (!result.type && x->failed_at == SIZE_MAX) x->failed_at = node->at;
    return result;
}

static bp_jv eval_test(bp_jx *x, const bp_jnode *node) {
    bp_jv v = bp_jx_eval(x, node->a);
    bp_jargs args;
    if (!v.type) return v;
    if (!node->function) return bp_jx_fail(x, "no test named '%s'", node->value.string->data);
    if (!bp_jx_arguments(x, node, (bp_jv){ .type = BP_J_MISSING }, &args)) return (bp_jv){ 0 };
    return bp_jx_apply(x, node->function, v, &args);
}

static bp_jv eval(bp_jx *x, const bp_jnode *node) {
    bp_jv v;
    switch (node->kind) {
    case BP_JK_CONST: return node->value;
    case BP_JK_NAME: return bp_jx_name(x, node->name);
    case BP_JK_TUPLE: return eval_items(x, node, bp_jv_tuple(x, node->n));
    case BP_JK_LIST: return eval_items(x, node, bp_jv_list(x, node->n));
    case BP_JK_DICT: return eval_dict(x, node);
    case BP_JK_IF_ELSE: return eval_choice(x, node);
    case BP_JK_AND:
    case BP_JK_OR: return eval_logic(x, node);
    case BP_JK_NOT: v = bp_jx_eval(x, node->a); return v.type ? bp_jv_bool(!bp_jv_truth(v)) : v;
    case BP_JK_COMPARE: return eval_compare(x, node);
    case BP_JK_BINARY: return eval_binary(x, node);
    case BP_JK_CONCAT: return eval_concat(x, node);
    case BP_JK_NEGATIVE:
    case BP_JK_POSITIVE: return eval_sign(x, node);
    case BP_JK_ATTRIBUTE: v = bp_jx_eval(x, node->a); return v.type ? bp_jx_attribute(x, v, node->value) : v;
    case BP_JK_ITEM: return eval_item(x, node);
    case BP_JK_SLICE: return eval_slice(x, node);
    case BP_JK_CALL: return eval_call(x, node);
    case BP_JK_FILTER: return bp_jx_filter(x, node, (bp_jv){ 0 });
    case BP_JK_TEST: return eval_test(x, node);
    default: return bp_jx_fail(x, "this cannot be evaluated");
    }
}

bp_jv bp_jx_eval(bp_jx *x, const bp_jnode *node) {
    bp_jv v = { 0 };
    if (bp_jx_enter(x) && bp_jx_steps(x, 1)) v = eval(x, node);
    if (!v.type && x->failed_at == SIZE_MAX) x->failed_at = node->at;
    bp_jx_leave(x);
    return v;
}

static bool is_word(const char *word, size_t n, const char *name) {
    return strlen(name) == n && !memcmp(word, name, n);
}

/* One parameter: from its position, or its keyword (which counts as used). */
static bp_jv bind_one(const bp_jargs *args, size_t i, const char *word, size_t n, size_t *used) {
    if (i < args->count) return args->items[i];
    for (size_t k = 0; word && k < args->n_keywords; k++)
        if (is_word(word, n, args->keywords[k].name)) return ++*used, args->keywords[k].value;
    return (bp_jv){ .type = BP_J_MISSING };
}

bp_jv bp_jx_apply(bp_jx *x, const bp_jfunction *f, bp_jv self, const bp_jargs *args) {
    bp_jv a[BP_J_MAX_PARAMETERS];
    size_t i = 0, used = 0;
    const char *at = f->signature;
    if (*at == '*') return f->call(x, self, NULL, args);
    bool by_position = *at == '!';
    for (at += by_position; *at && i < BP_J_MAX_PARAMETERS; i++) {
        at += strspn(at, " ");
        size_t n = strcspn(at, " ?");
        bool optional = at[n] == '?';
        a[i] = bind_one(args, i, by_position ? NULL : at, n, &used);
        if (a[i].type == BP_J_MISSING && !optional)
            return bp_jx_fail(x, "%s needs the argument %.*s", f->name, (int)n, at);
        at += n + optional;
    }
    if (args->count > i) return bp_jx_fail(x, "%s takes at most %zu arguments (%zu given)", f->name, i, args->count);
    if (used < args->n_keywords) return bp_jx_fail(x, "%s: unexpected or repeated keyword argument", f->name);
    return f->call(x, self, a, args);
}

static bp_jv call_loop(bp_jx *x, bp_jloop *loop, const bp_jargs *args) {
    if (!loop->node->flag) return bp_jx_fail(x, "the loop must be marked 'recursive' to be called");
    if (args->count != 1 || args->n_keywords) return bp_jx_fail(x, "loop takes one argument");
    bp_text text = { 0 }, *out = x->out;
    if (!bp_jx_enter(x)) return bp_jx_leave(x), (bp_jv){ 0 };
    x->out = &text;
    bp_jv end = bp_jx_run_loop(x, loop->node, args->items[0], loop->scope, loop->depth0 + 1);
    x->out = out;
    bp_jx_leave(x);
    bp_jv v = end.type ? bp_jv_string(x, bp_text_get(&text), text.size) : end;
    bp_text_free(&text);
    return v;
}

static bp_jv call_joiner(bp_jx *x, bp_jcycler *joiner) {
    bool used = joiner->used;
    joiner->used = true;
    return used ? joiner->items : bp_jv_words(x, "");
}

bp_jv bp_jx_call(bp_jx *x, bp_jv callee, const bp_jargs *args) {
    switch (callee.type) {
    case BP_J_FUNCTION: return bp_jx_apply(x, callee.function->function, callee.function->self, args);
    case BP_J_MACRO: return bp_jx_call_macro(x, callee.macro, args);
    case BP_J_LOOP: return call_loop(x, callee.loop, args);
    case BP_J_JOINER: return call_joiner(x, callee.cycler);
    case BP_J_UNDEFINED: return bp_jx_undefined(x, callee);
    default: return bp_jx_fail(x, "'%s' object is not callable", bp_jv_type_name(callee));
    }
}
