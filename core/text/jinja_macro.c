/* Calling macros: parameters, defaults, caller, kwargs, varargs. */
#include <string.h>

#include "core/text/jinja_exec.h"

typedef struct call {
    bp_jx *x;
    const bp_jmacro *macro;
    const bp_jnode *node;
    const bp_jargs *args;
    bool *used; /* keywords that were taken */
    bp_jscope *scope;
} call;

static bp_jv take_keyword(call *c, const char *name) {
    for (size_t i = 0; i < c->args->n_keywords; i++) {
        if (c->used[i] || strcmp(c->args->keywords[i].name, name)) continue;
        c->used[i] = true;
        return c->args->keywords[i].value;
    }
    return (bp_jv){ .type = BP_J_MISSING };
}

static const char *name_of(const call *c) { return c->macro->name ? c->macro->name->data : "caller"; }

static bool set(call *c, uint32_t name, bp_jv value) {
    bp_jscope *outer = c->x->scope;
    c->x->scope = c->scope;
    bool good = bp_jx_assign(c->x, name, value);
    c->x->scope = outer;
    return good;
}

/* The parameters that were given; missing ones are undefined for now. *caller: one of them is named caller. */
static bool bind_given(call *c, bp_jv *values, bool *caller) {
    uint32_t n = c->node->name;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = c->x->j->names[c->node->names[i]]->data;
        values[i] = i < c->args->count ? c->args->items[i] : take_keyword(c, name);
        if (!strcmp(name, "caller") && (i >= c->args->count || c->args->count >= n)) *caller = true;
        bp_jv now = values[i];
        if (now.type == BP_J_MISSING) now = (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_NO_NAME, .words = name };
        if (!set(c, c->node->names[i], now)) return false;
    }
    return true;
}

static bool bind_rest(call *c) {
    bp_jx *x = c->x;
    bp_jv rest = c->node->kwargs ? bp_jv_dict(x) : bp_jv_none();
    for (size_t i = 0; rest.type && i < c->args->n_keywords; i++) {
        const bp_jkeyword *k = &c->args->keywords[i];
        if (c->used[i]) continue;
        if (!c->node->kwargs)
            return bp_jx_fail(x, "macro '%s' takes no keyword argument '%s'", name_of(c), k->name), false;
        if (!bp_jv_set(x, rest.dict, bp_jv_words(x, k->name), k->value)) return false;
    }
    if (!rest.type || (c->node->kwargs && !set(c, x->j->kwargs, rest))) return false;
    uint32_t n = c->node->name;
    if (!c->node->varargs) {
        if (c->args->count <= n) return true;
        return bp_jx_fail(x, "macro '%s' takes not more than %u argument(s)", name_of(c), n), false;
    }
    bp_jv more = bp_jv_tuple(x, 0);
    for (size_t i = n; more.type && i < c->args->count; i++)
        if (!bp_jv_push(x, more, c->args->items[i])) return false;
    return more.type && set(c, x->j->varargs, more);
}

/* Defaults are evaluated at the call, in order, and see the parameters before them. */
static bool bind_defaults(call *c, const bp_jv *values) {
    uint32_t n = c->node->name, first = n - c->node->m;
    bp_jscope *outer = c->x->scope;
    bool good = true;
    c->x->scope = c->scope;
    for (uint32_t i = first; good && i < n; i++)
        if (values[i].type == BP_J_MISSING)
            good = bp_jx_assign(c->x, c->node->names[i], bp_jx_eval(c->x, c->node->more[i - first]));
    c->x->scope = outer;
    return good;
}

static bool bind(call *c) {
    bp_jx *x = c->x;
    bool caller = false;
    bp_jv *values = bp_jx_alloc(x, c->node->name * sizeof *values);
    if (!values || !bind_given(c, values, &caller)) return false;
    if (c->node->flag && !caller) {
        bp_jv given = take_keyword(c, "caller");
        if (given.type == BP_J_MISSING || given.type == BP_J_NONE) given = bp_jv_hint("No caller defined");
        if (!set(c, x->j->caller, given)) return false;
    }
    return bind_rest(c) && bind_defaults(c, values);
}

bp_jv bp_jx_call_macro(bp_jx *x, const bp_jmacro *macro, const bp_jargs *args) {
    call c = { x, macro, macro->node, args, NULL, NULL };
    c.used = bp_jx_alloc(x, args->n_keywords);
    c.scope = bp_jx_scope(x, macro->scope);
    if (!c.used || !c.scope || !bind(&c)) return (bp_jv){ 0 };
    return bp_jx_capture(x, macro->node->items, macro->node->n, c.scope);
}
