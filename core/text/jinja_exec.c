/* Statements: output, conditions, loops, macros, scopes. */
#include "core/text/jinja_exec.h"

#include <string.h>

#include "core/base/size.h"

bp_jscope *bp_jx_scope(bp_jx *x, bp_jscope *parent) {
    bp_jscope *scope = bp_jx_alloc(x, sizeof *scope);
    if (scope) scope->parent = parent;
    return scope;
}

bp_jv bp_jx_name(bp_jx *x, uint32_t name) {
    for (const bp_jscope *scope = x->scope; scope; scope = scope->parent)
        for (size_t i = 0; i < scope->count; i++)
            if (scope->variables[i].name == name) return scope->variables[i].value;
    return x->globals[name];
}

static bool assign_in(bp_jx *x, bp_jscope *scope, uint32_t name, bp_jv value) {
    for (size_t i = 0; i < scope->count; i++)
        if (scope->variables[i].name == name) return scope->variables[i].value = value, true;
    if (scope->count == scope->capacity) {
        size_t room = scope->capacity ? scope->capacity * 2 : 4;
        bp_jvariable *more = bp_jx_alloc(x, room * sizeof *more);
        if (!more) return false;
        if (scope->count) memcpy(more, scope->variables, scope->count * sizeof *more);
        scope->variables = more;
        scope->capacity = room;
    }
    scope->variables[scope->count++] = (bp_jvariable){ name, value };
    return true;
}

bool bp_jx_assign(bp_jx *x, uint32_t name, bp_jv value) {
    if (!value.type) return false;
    if (x->scope) return assign_in(x, x->scope, name, value);
    x->globals[name] = value;
    return true;
}

static bool assign_item(bp_jx *x, const bp_jnode *target, bp_jv value) {
    bp_jv space = bp_jx_name(x, target->name);
    if (space.type != BP_J_NAMESPACE) return bp_jx_fail(x, "cannot assign attribute on non-namespace object"), false;
    if (target->value.string->data[0] == '_')
        return bp_jx_fail(x, "attributes of a namespace cannot begin with an underscore"), false;
    return bp_jv_set(x, space.dict, target->value, value);
}

static bool assign_tuple(bp_jx *x, const bp_jnode *target, bp_jv value) {
    bp_jiterator *it = bp_jx_iterate(x, value);
    bp_jv item;
    if (!it) return false;
    for (uint32_t i = 0; i < target->n; i++) {
        int got = bp_jx_next(x, it, &item);
        if (got == 0) bp_jx_fail(x, "not enough values to unpack (expected %u, got %u)", target->n, i);
        if (got <= 0 || !bp_jx_assign_to(x, target->items[i], item)) return false;
    }
    int more = bp_jx_next(x, it, &item);
    if (more > 0) bp_jx_fail(x, "too many values to unpack (expected %u)", target->n);
    return more == 0;
}

bool bp_jx_assign_to(bp_jx *x, const bp_jnode *target, bp_jv value) {
    if (!value.type) return false;
    if (target->kind == BP_JK_NAME) return bp_jx_assign(x, target->name, value);
    return target->kind == BP_JK_TUPLE ? assign_tuple(x, target, value) : assign_item(x, target, value);
}

bp_jv bp_jx_new_macro(bp_jx *x, const bp_jnode *node, const bp_jstring *name) {
    bp_jmacro *macro = bp_jx_alloc(x, sizeof *macro);
    if (!macro) return (bp_jv){ 0 };
    *macro = (bp_jmacro){ node, name, x->scope };
    for (bp_jscope *scope = x->scope; scope && !scope->kept; scope = scope->parent) scope->kept = true;
    return (bp_jv){ .type = BP_J_MACRO, .macro = macro };
}

bp_jv bp_jx_capture(bp_jx *x, bp_jnode **body, uint32_t n, bp_jscope *scope) {
    bp_text text = { 0 }, *out = x->out;
    bp_jscope *outer = x->scope;
    if (!scope) return (bp_jv){ 0 };
    x->out = &text;
    x->scope = scope;
    int end = bp_jx_body(x, body, n);
    x->out = out;
    x->scope = outer;
    bp_jv v = end == BP_JX_FAILED ? (bp_jv){ 0 } : bp_jv_string(x, bp_text_get(&text), text.size);
    bp_text_free(&text);
    return v;
}

static bool write_value(bp_jx *x, bp_jv v) { return v.type && bp_jv_str(x, v, x->out); }

static bool run_output(bp_jx *x, const bp_jnode *node) {
    for (uint32_t i = 0; i < node->n; i++)
        if (!write_value(x, bp_jx_eval(x, node->items[i]))) return false;
    return true;
}

static int run_if(bp_jx *x, const bp_jnode *node) {
    for (uint32_t i = 0; i < node->n; i++) {
        bp_jv test = bp_jx_eval(x, node->items[i]->a);
        if (!test.type) return BP_JX_FAILED;
        if (bp_jv_truth(test)) return bp_jx_body(x, node->items[i]->items, node->items[i]->n);
    }
    return bp_jx_body(x, node->more, node->m);
}

static int run_with(bp_jx *x, const bp_jnode *node) {
    bp_jscope *outer = x->scope, *scope = bp_jx_scope(x, outer);
    if (!scope) return BP_JX_FAILED;
    for (uint32_t i = 0; i < node->m; i++) {
        x->scope = outer; /* values do not see each other */
        bp_jv value = bp_jx_eval(x, node->more[i]->b);
        x->scope = scope;
        bool good = bp_jx_assign_to(x, node->more[i]->a, value);
        x->scope = outer;
        if (!good) return BP_JX_FAILED;
    }
    x->scope = scope;
    int end = bp_jx_body(x, node->items, node->n);
    x->scope = outer;
    return end;
}

static int run_scope(bp_jx *x, const bp_jnode *node) {
    bp_jscope *outer = x->scope, *scope = bp_jx_scope(x, node->flag ? NULL : outer);
    if (!scope) return BP_JX_FAILED;
    x->scope = scope;
    int end = bp_jx_body(x, node->items, node->n);
    x->scope = outer;
    return end;
}

static bp_jv captured(bp_jx *x, const bp_jnode *node) {
    bp_jv text = bp_jx_capture(x, node->items, node->n, bp_jx_scope(x, x->scope));
    return text.type && node->b ? bp_jx_filter(x, node->b, text) : text;
}

static bool run_call(bp_jx *x, const bp_jnode *node) {
    bp_jv callee = bp_jx_eval(x, node->a->a), caller = bp_jx_new_macro(x, node, NULL);
    bp_jargs args;
    if (!callee.type || !caller.type || !bp_jx_arguments(x, node->a, caller, &args)) return false;
    return write_value(x, bp_jx_call(x, callee, &args));
}

/* The items of a loop that pass its `if`: tested one by one, as they are asked for. */
static int next_passing(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    const bp_jfor *f = it->state;
    for (;;) {
        int got = bp_jx_next(x, it->source, item);
        if (got <= 0) return got;
        bp_jscope *outer = x->scope, *scope = bp_jx_scope(x, f->scope);
        if (!scope) return -1;
        x->scope = scope;
        bp_jv test = bp_jx_assign_to(x, f->node->a, *item) ? bp_jx_eval(x, f->node->c) : (bp_jv){ 0 };
        x->scope = outer;
        if (!test.type) return -1;
        if (bp_jv_truth(test)) return 1;
    }
}

static bp_jv passing(bp_jx *x, const bp_jnode *node, bp_jv over, bp_jscope *scope) {
    bp_jfor *f = bp_jx_alloc(x, sizeof *f);
    bp_jiterator *source = bp_jx_iterate(x, over);
    if (!f || !source) return (bp_jv){ 0 };
    *f = (bp_jfor){ node, scope };
    return bp_jx_generator(x, (bp_jiterator){ .next = next_passing, .source = source, .state = f });
}

static int next_item(bp_jx *x, bp_jloop *loop, bp_jv *item) {
    bp_jv after = loop->after;
    loop->after = (bp_jv){ .type = BP_J_MISSING };
    int got = after.type == BP_J_MISSING ? bp_jx_next(x, loop->it, item) : 1;
    if (got <= 0) return got;
    if (after.type != BP_J_MISSING) *item = after;
    loop->index0++;
    loop->before = loop->current;
    loop->current = *item;
    return 1;
}

bool bp_jloop_more(bp_jx *x, bp_jloop *loop, bool *more) {
    *more = true;
    if (loop->after.type != BP_J_MISSING) return true;
    bp_jv item;
    int got = bp_jx_next(x, loop->it, &item);
    if (got > 0) loop->after = item;
    *more = got > 0;
    return got >= 0;
}

static bp_jscope *fresh_scope(bp_jx *x, bp_jscope *scope, bp_jscope *parent) {
    if (!scope || scope->kept) return bp_jx_scope(x, parent);
    scope->count = 0;
    return scope;
}

static bp_jloop *new_loop(bp_jx *x, const bp_jnode *node, bp_jv over, bp_jscope *scope, int64_t depth0) {
    bp_jv missing = { .type = BP_J_MISSING };
    if (node->c) over = passing(x, node, over, scope);
    bp_jloop *loop = over.type ? bp_jx_alloc(x, sizeof *loop) : NULL;
    if (!loop) return NULL;
    *loop = (bp_jloop){ .over = over, .node = node, .scope = scope, .index0 = -1, .length = -1, .depth0 = depth0,
                        .before = missing, .current = missing, .after = missing, .changed = missing };
    loop->it = bp_jx_iterate(x, over);
    return loop->it ? loop : NULL;
}

static int run_items(bp_jx *x, const bp_jnode *node, bp_jloop *loop, bp_jscope *outer, bool *any) {
    bp_jscope *scope = NULL;
    bp_jv item;
    int got;
    while ((got = next_item(x, loop, &item)) > 0) {
        if (!(scope = fresh_scope(x, scope, outer))) return BP_JX_FAILED;
        x->scope = scope;
        if (!bp_jx_assign_to(x, node->a, item)) return BP_JX_FAILED;
        if (!bp_jx_assign(x, x->j->loop, (bp_jv){ .type = BP_J_LOOP, .loop = loop })) return BP_JX_FAILED;
        int end = bp_jx_body(x, node->items, node->n);
        if (end == BP_JX_FAILED) return end;
        if (end == BP_JX_BREAK) break;
        if (end == BP_JX_GOOD) *any = true;
    }
    return got < 0 ? BP_JX_FAILED : BP_JX_GOOD;
}

bp_jv bp_jx_run_loop(bp_jx *x, const bp_jnode *node, bp_jv over, bp_jscope *scope, int64_t depth0) {
    bp_jscope *outer = x->scope;
    bool any = false; /* jinja2 runs else unless an iteration came to its end, whatever break and continue mean */
    bp_jloop *loop = new_loop(x, node, over, scope, depth0);
    int end = loop ? run_items(x, node, loop, scope, &any) : BP_JX_FAILED;
    if (end == BP_JX_GOOD && !any && node->m) {
        x->scope = bp_jx_scope(x, scope);
        end = x->scope ? bp_jx_body(x, node->more, node->m) : BP_JX_FAILED;
    }
    x->scope = outer;
    if (end == BP_JX_BREAK || end == BP_JX_CONTINUE) return bp_jv_int(end); /* from the else part: of a loop around */
    return end == BP_JX_FAILED ? (bp_jv){ 0 } : bp_jv_none();
}

static int run_for(bp_jx *x, const bp_jnode *node) {
    bp_jv over = bp_jx_eval(x, node->b);
    bp_jv end = over.type ? bp_jx_run_loop(x, node, over, x->scope, 0) : over;
    return end.type == BP_J_INT ? (int)end.integer : end.type ? BP_JX_GOOD : BP_JX_FAILED;
}

static int statement(bp_jx *x, const bp_jnode *node) {
    bool good;
    switch (node->kind) {
    case BP_JK_OUTPUT: good = run_output(x, node); break;
    case BP_JK_IF: return run_if(x, node);
    case BP_JK_FOR: return run_for(x, node);
    case BP_JK_SET: good = bp_jx_assign_to(x, node->a, bp_jx_eval(x, node->b)); break;
    case BP_JK_SET_BLOCK: good = bp_jx_assign_to(x, node->a, captured(x, node)); break;
    case BP_JK_FILTER_BLOCK: good = write_value(x, captured(x, node)); break;
    case BP_JK_WITH: return run_with(x, node);
    case BP_JK_SCOPE: return run_scope(x, node);
    case BP_JK_MACRO: {
        bp_jv macro = bp_jx_new_macro(x, node, x->j->names[node->a->name]);
        good = bp_jx_assign(x, node->a->name, macro);
        break;
    }
    case BP_JK_CALL_BLOCK: good = run_call(x, node); break;
    case BP_JK_BREAK: return BP_JX_BREAK;
    case BP_JK_CONTINUE: return BP_JX_CONTINUE;
    default: bp_jx_fail(x, "include, import and extends are not there for chat templates"); good = false; break;
    }
    return good ? BP_JX_GOOD : BP_JX_FAILED;
}

int bp_jx_body(bp_jx *x, bp_jnode **body, uint32_t n) {
    int end = bp_jx_enter(x) ? BP_JX_GOOD : BP_JX_FAILED;
    for (uint32_t i = 0; end == BP_JX_GOOD && i < n; i++) {
        end = bp_jx_steps(x, 1) ? statement(x, body[i]) : BP_JX_FAILED;
        if (end == BP_JX_FAILED && x->failed_at == SIZE_MAX) x->failed_at = body[i]->at;
    }
    bp_jx_leave(x);
    return end;
}
