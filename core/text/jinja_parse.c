/* Statements of templates: tokens to a tree. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/jinja_tree.h"

const bp_jtoken *bp_jp_now(const bp_jparser *p) { return &p->tokens[p->at]; }

bool bp_jp_is_name(const bp_jparser *p, const char *name) {
    const bp_jtoken *t = bp_jp_now(p);
    return t->type == BP_JT_NAME && !strcmp(t->value.string->data, name);
}

bool bp_jp_skip_name(bp_jparser *p, const char *name) {
    bool there = bp_jp_is_name(p, name);
    p->at += there;
    return there;
}

bool bp_jp_skip(bp_jparser *p, uint8_t type) {
    bool there = bp_jp_now(p)->type == type;
    p->at += there;
    return there;
}

static const char *token_words(uint8_t type, char buffer[4]) {
    switch (type) {
    case BP_JT_EOF: return "the end of the template";
    case BP_JT_NAME: return "a name";
    case BP_JT_STRING: return "a string";
    case BP_JT_INTEGER: case BP_JT_FLOAT: return "a number";
    case BP_JT_OUTPUT_END: return "}}";
    case BP_JT_BLOCK_END: return "%}";
    case BP_JT_FLOORDIV: return "//";
    case BP_JT_POW: return "**";
    case BP_JT_EQ: return "==";
    case BP_JT_NE: return "!=";
    case BP_JT_GE: return ">=";
    case BP_JT_LE: return "<=";
    default: return snprintf(buffer, 4, "%c", type), buffer;
    }
}

bool bp_jp_expect(bp_jparser *p, uint8_t type) {
    if (bp_jp_skip(p, type)) return true;
    char a[4], b[4];
    const bp_jtoken *t = bp_jp_now(p);
    bp_jp_fail(p, t->at, "expected %s, not %s", token_words(type, a), token_words(t->type, b));
    return false;
}

void *bp_jp_fail(bp_jparser *p, size_t at, const char *format, ...) {
    if (p->failed) return NULL;
    p->failed = true;
    char words[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    bp_jinja_fail_at(p->j, at, p->error, BP_E_INVALID, words);
    return NULL;
}

void *bp_jp_alloc(bp_jparser *p, size_t bytes) {
    void *memory = bp_arena_alloc(&p->j->arena, bytes);
    return memory ? memory : bp_jp_fail(p, bp_jp_now(p)->at, "out of memory");
}

bp_jnode *bp_jp_node(bp_jparser *p, uint8_t kind, size_t at) {
    bp_jnode *node = bp_jp_alloc(p, sizeof *node);
    if (!node) return NULL;
    node->kind = kind;
    node->at = (uint32_t)at;
    return node;
}

static uint32_t height_of(bp_jnode *const *items, uint32_t n) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < n; i++) most = BP_MAX(most, items[i]->height);
    return most;
}

bp_jnode *bp_jp_done(bp_jparser *p, bp_jnode *node) {
    if (!node) return NULL;
    uint32_t most = BP_MAX(height_of(node->items, node->n), height_of(node->more, node->m));
    for (int i = 0; i < 3; i++) {
        const bp_jnode *child = i == 0 ? node->a : i == 1 ? node->b : node->c;
        if (child) most = BP_MAX(most, child->height);
    }
    if (most >= BP_JINJA_MAX_HEIGHT)
        return bp_jp_fail(p, node->at, "nested too deeply: more than %d levels", BP_JINJA_MAX_HEIGHT);
    node->height = (uint16_t)(most + 1);
    return node;
}

bool bp_jp_add(bp_jparser *p, bp_jnodes *list, bp_jnode *node) {
    if (!node) return false;
    if (!bp_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return bp_jp_fail(p, node->at, "out of memory"), false;
    list->items[list->count++] = node;
    return true;
}

bool bp_jp_keep(bp_jparser *p, bp_jnodes *list, bp_jnode ***items, uint32_t *n) {
    bp_jnode **kept = items && list->count ? bp_jp_alloc(p, list->count * sizeof *kept) : NULL;
    if (kept) {
        memcpy(kept, list->items, list->count * sizeof *kept);
        *items = kept;
        *n = (uint32_t)list->count;
    }
    bool good = items && (kept || !list->count);
    free(list->items);
    *list = (bp_jnodes){ 0 };
    return good;
}

uint32_t bp_jp_name(bp_jparser *p, const bp_jstring *name) {
    bp_jinja *j = p->j;
    uint32_t id = 0;
    if (bp_map_find(&j->by_name, name->data, name->size, &id)) return id;
    id = (uint32_t)j->n_names;
    if (!bp_grow((void **)&j->names, &j->names_capacity, j->n_names + 1, sizeof *j->names) ||
        bp_map_add(&j->by_name, name->data, name->size, id) == BP_MAP_NO_MEMORY)
        return bp_jp_fail(p, bp_jp_now(p)->at, "out of memory"), 0;
    j->names[j->n_names++] = name;
    return id;
}

static bool statements(bp_jparser *p, const char *const *ends, bp_jnode ***items, uint32_t *n);

/* The body of a statement, up to one of the names in ends (the cursor is at it). A colon may precede it. */
static bool body(bp_jparser *p, const char *const *ends, bp_jnode ***items, uint32_t *n) {
    bp_jp_skip(p, ':');
    if (!bp_jp_expect(p, BP_JT_BLOCK_END)) return false;
    if (p->depth++ >= BP_JINJA_MAX_HEIGHT)
        return bp_jp_fail(p, bp_jp_now(p)->at, "nested too deeply: more than %d levels", BP_JINJA_MAX_HEIGHT), false;
    bool good = statements(p, ends, items, n);
    p->depth--;
    if (good && bp_jp_now(p)->type == BP_JT_EOF)
        bp_jp_fail(p, bp_jp_now(p)->at, "unexpected end of the template: \"%s\" is missing", ends[0]);
    return good && !p->failed;
}

#define BODY(p, node, ...) body(p, (const char *const[]){ __VA_ARGS__, NULL }, &(node)->items, &(node)->n)
#define MORE(p, node, ...) body(p, (const char *const[]){ __VA_ARGS__, NULL }, &(node)->more, &(node)->m)

static bool stores_loop(const bp_jparser *p, const bp_jnode *node) {
    if (node->kind == BP_JK_NAME) return !strcmp(p->j->names[node->name]->data, "loop");
    for (uint32_t i = 0; node->kind == BP_JK_TUPLE && i < node->n; i++)
        if (stores_loop(p, node->items[i])) return true;
    return false;
}

static bp_jnode *parse_set(bp_jparser *p, bp_jnode *node) {
    node->a = bp_jp_target(p, NULL, true);
    if (!node->a) return NULL;
    if (p->fors && stores_loop(p, node->a)) return bp_jp_fail(p, node->at, "loop cannot be assigned to in a for loop");
    if (bp_jp_skip(p, '=')) {
        node->b = bp_jp_tuple(p, true, NULL, false);
        return node->b ? bp_jp_done(p, node) : NULL;
    }
    node->kind = BP_JK_SET_BLOCK;
    if (bp_jp_now(p)->type == '|' && !(node->b = bp_jp_filters(p, NULL, false))) return NULL;
    if (!BODY(p, node, "endset")) return NULL;
    p->at++;
    return bp_jp_done(p, node);
}

static bp_jnode *parse_for(bp_jparser *p, bp_jnode *node) {
    node->a = bp_jp_target(p, "in", false);
    if (!node->a) return NULL;
    if (stores_loop(p, node->a)) return bp_jp_fail(p, node->at, "the special variable loop cannot be assigned to");
    if (!bp_jp_skip_name(p, "in")) return bp_jp_fail(p, bp_jp_now(p)->at, "expected \"in\"");
    if (!(node->b = bp_jp_tuple(p, false, "recursive", false))) return NULL;
    if (bp_jp_skip_name(p, "if") && !(node->c = bp_jp_expression(p, true))) return NULL;
    node->flag = bp_jp_skip_name(p, "recursive");
    p->fors++;
    p->loops++;
    bool good = BODY(p, node, "endfor", "else");
    p->loops--;
    if (good && bp_jp_skip_name(p, "else")) good = MORE(p, node, "endfor");
    p->fors--;
    if (!good) return NULL;
    p->at++;
    return bp_jp_done(p, node);
}

/* if, elif, … as one node: items are IF nodes (a: test, items: body), more is the else part. */
static bp_jnode *parse_if(bp_jparser *p, bp_jnode *node) {
    bp_jnodes branches = { 0 };
    bool good = true;
    for (;;) {
        bp_jnode *branch = bp_jp_node(p, BP_JK_IF, bp_jp_now(p)->at);
        good = branch && (branch->a = bp_jp_tuple(p, false, NULL, false)) && BODY(p, branch, "elif", "else", "endif");
        good = good && bp_jp_add(p, &branches, bp_jp_done(p, branch));
        if (!good || !bp_jp_skip_name(p, "elif")) break;
    }
    good = bp_jp_keep(p, &branches, &node->items, &node->n) && good;
    if (good && bp_jp_skip_name(p, "else")) good = MORE(p, node, "endif");
    if (!good) return NULL;
    p->at++;
    return bp_jp_done(p, node);
}

static bp_jnode *parse_with(bp_jparser *p, bp_jnode *node) {
    bp_jnodes pairs = { 0 };
    bool good = true;
    while (good && bp_jp_now(p)->type != BP_JT_BLOCK_END) {
        if (pairs.count && !(good = bp_jp_expect(p, ','))) break;
        bp_jnode *pair = bp_jp_node(p, BP_JK_SET, bp_jp_now(p)->at);
        good = pair && (pair->a = bp_jp_target(p, NULL, false)) && bp_jp_expect(p, '=') &&
               (pair->b = bp_jp_expression(p, true)) && bp_jp_add(p, &pairs, bp_jp_done(p, pair));
    }
    good = bp_jp_keep(p, &pairs, &node->more, &node->m) && good;
    if (!good || !BODY(p, node, "endwith")) return NULL;
    p->at++;
    return bp_jp_done(p, node);
}

/* (a, b=1): names are the parameters, more the defaults of the last m of them. */
static bool signature(bp_jparser *p, bp_jnode *node) {
    bp_jnodes defaults = { 0 };
    uint32_t *names = NULL, n = 0;
    size_t room = 0;
    bool good = bp_jp_expect(p, '(');
    while (good && bp_jp_now(p)->type != ')') {
        if (n && !(good = bp_jp_expect(p, ','))) break;
        const bp_jtoken *t = bp_jp_now(p);
        if (!(good = bp_jp_expect(p, BP_JT_NAME) && bp_grow((void **)&names, &room, n + 1, sizeof *names))) break;
        names[n++] = bp_jp_name(p, t->value.string);
        if (bp_jp_skip(p, '=')) good = bp_jp_add(p, &defaults, bp_jp_expression(p, true));
        else if (defaults.count) good = bp_jp_fail(p, t->at, "a parameter without default follows one with a default");
    }
    good = good && bp_jp_expect(p, ')');
    if (good && n && (good = (node->names = bp_jp_alloc(p, n * sizeof *names))))
        memcpy(node->names, names, n * sizeof *names);
    free(names);
    node->name = n;
    return bp_jp_keep(p, &defaults, &node->more, &node->m) && good;
}

/* What of caller, kwargs and varargs the body of a macro reads decides what it can be called with. */
static bool macro_body(bp_jparser *p, bp_jnode *node, const char *end) {
    bool caller = p->caller, kwargs = p->kwargs, varargs = p->varargs;
    uint32_t loops = p->loops;
    p->caller = p->kwargs = p->varargs = false;
    p->loops = 0;
    bool good = BODY(p, node, end);
    node->flag = p->caller, node->kwargs = p->kwargs, node->varargs = p->varargs;
    p->caller |= caller, p->kwargs |= kwargs, p->varargs |= varargs;
    p->loops = loops;
    for (uint32_t i = 0; good && i < node->name; i++) {
        const char *name = p->j->names[node->names[i]]->data;
        if (!strcmp(name, "kwargs")) node->kwargs = false;
        if (!strcmp(name, "varargs")) node->varargs = false;
        if (node->flag && !strcmp(name, "caller") && i < node->name - node->m)
            good = bp_jp_fail(p, node->at, "the parameter caller must have a default");
    }
    if (good) p->at++;
    return good;
}

static bp_jnode *parse_macro(bp_jparser *p, bp_jnode *node) {
    const bp_jtoken *t = bp_jp_now(p);
    if (!bp_jp_expect(p, BP_JT_NAME) || !signature(p, node)) return NULL;
    node->op = 0;
    bp_jnode *name = bp_jp_node(p, BP_JK_NAME, t->at);
    if (!name) return NULL;
    name->name = bp_jp_name(p, t->value.string);
    node->a = name;
    return macro_body(p, node, "endmacro") ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *parse_call(bp_jparser *p, bp_jnode *node) {
    if (bp_jp_now(p)->type == '(' && !signature(p, node)) return NULL;
    node->a = bp_jp_expression(p, true);
    if (!node->a) return NULL;
    if (node->a->kind != BP_JK_CALL) return bp_jp_fail(p, node->at, "a call was expected here");
    return macro_body(p, node, "endcall") ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *parse_filter(bp_jparser *p, bp_jnode *node) {
    node->b = bp_jp_filters(p, NULL, true);
    if (!node->b || !BODY(p, node, "endfilter")) return NULL;
    p->at++;
    return bp_jp_done(p, node);
}

/* A body with a scope of its own: {% generation %}, {% autoescape x %}, {% block name %}. */
static bp_jnode *parse_generation(bp_jparser *p, bp_jnode *node) {
    uint32_t loops = p->loops;
    p->loops = 0; /* as in a macro, no loop around it can be left */
    bool good = BODY(p, node, "endgeneration");
    p->loops = loops;
    if (!good) return NULL;
    p->at++;
    return bp_jp_done(p, node);
}

static bp_jnode *parse_autoescape(bp_jparser *p, bp_jnode *node) {
    node->a = bp_jp_expression(p, true);
    if (!node->a || !BODY(p, node, "endautoescape")) return NULL;
    if (node->a->kind != BP_JK_CONST || node->a->value.type != BP_J_BOOL || node->a->value.truth)
        return bp_jp_fail(p, node->at, "escaping of output is not supported: only {%% autoescape false %%}");
    p->at++;
    return bp_jp_done(p, node);
}

static bp_jnode *parse_block(bp_jparser *p, bp_jnode *node) {
    const bp_jtoken *name = bp_jp_now(p);
    if (!bp_jp_expect(p, BP_JT_NAME)) return NULL;
    node->flag = !bp_jp_skip_name(p, "scoped"); /* sees the top level alone */
    bp_jp_skip_name(p, "required");
    if (!BODY(p, node, "endblock")) return NULL;
    p->at++;
    bp_jp_skip_name(p, name->value.string->data);
    return bp_jp_done(p, node);
}

static bp_jnode *parse_print(bp_jparser *p, bp_jnode *node) {
    bp_jnodes items = { 0 };
    bool good = true;
    while (good && bp_jp_now(p)->type != BP_JT_BLOCK_END) {
        if (items.count && !(good = bp_jp_expect(p, ','))) break;
        good = bp_jp_add(p, &items, bp_jp_expression(p, true));
    }
    good = bp_jp_keep(p, &items, &node->items, &node->n) && good;
    return good ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *parse_leave(bp_jparser *p, bp_jnode *node) {
    return p->loops ? bp_jp_done(p, node) : bp_jp_fail(p, node->at, "there is no loop here to leave");
}

/* include, import, from, extends: parsed, and an error only where they are reached. */
static bp_jnode *parse_elsewhere(bp_jparser *p, bp_jnode *node) {
    while (bp_jp_now(p)->type != BP_JT_BLOCK_END && bp_jp_now(p)->type != BP_JT_EOF) p->at++;
    return bp_jp_done(p, node);
}

static const struct { const char *name; uint8_t kind; bp_jnode *(*parse)(bp_jparser *, bp_jnode *); } tags[] = {
    { "if", BP_JK_IF, parse_if }, { "for", BP_JK_FOR, parse_for }, { "set", BP_JK_SET, parse_set },
    { "macro", BP_JK_MACRO, parse_macro }, { "call", BP_JK_CALL_BLOCK, parse_call },
    { "filter", BP_JK_FILTER_BLOCK, parse_filter }, { "with", BP_JK_WITH, parse_with },
    { "generation", BP_JK_SCOPE, parse_generation }, { "break", BP_JK_BREAK, parse_leave },
    { "continue", BP_JK_CONTINUE, parse_leave }, { "print", BP_JK_OUTPUT, parse_print },
    { "block", BP_JK_SCOPE, parse_block }, { "autoescape", BP_JK_SCOPE, parse_autoescape },
    { "include", BP_JK_ELSEWHERE, parse_elsewhere }, { "import", BP_JK_ELSEWHERE, parse_elsewhere },
    { "from", BP_JK_ELSEWHERE, parse_elsewhere }, { "extends", BP_JK_ELSEWHERE, parse_elsewhere },
};

static bp_jnode *statement(bp_jparser *p) {
    const bp_jtoken *t = bp_jp_now(p);
    if (t->type != BP_JT_NAME) return bp_jp_fail(p, t->at, "the name of a tag was expected here");
    for (size_t i = 0; i < BP_COUNT(tags); i++) {
        if (strcmp(tags[i].name, t->value.string->data)) continue;
        bp_jnode *node = bp_jp_node(p, tags[i].kind, t->at);
        p->at++;
        return node ? tags[i].parse(p, node) : NULL;
    }
    return bp_jp_fail(p, t->at, "unknown tag \"%.40s\"", t->value.string->data);
}

static bp_jnode *data(bp_jparser *p, const bp_jtoken *t) {
    bp_jnode *node = bp_jp_node(p, BP_JK_OUTPUT, t->at), *text = bp_jp_node(p, BP_JK_CONST, t->at);
    bp_jnodes items = { 0 };
    if (!node || !text) return NULL;
    text->value = t->value;
    bool good = bp_jp_add(p, &items, text);
    return bp_jp_keep(p, &items, &node->items, &node->n) && good ? node : NULL;
}

static bp_jnode *output(bp_jparser *p, const bp_jtoken *t) {
    bp_jnode *node = bp_jp_node(p, BP_JK_OUTPUT, t->at);
    bp_jnodes items = { 0 };
    bool good = node && bp_jp_add(p, &items, bp_jp_tuple(p, true, NULL, false)) && bp_jp_expect(p, BP_JT_OUTPUT_END);
    good = bp_jp_keep(p, &items, node ? &node->items : NULL, node ? &node->n : NULL) && good;
    return good ? bp_jp_done(p, node) : NULL;
}

static bool at_end(const bp_jparser *p, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (bp_jp_is_name(p, *ends)) return true;
    return false;
}

static bool statements(bp_jparser *p, const char *const *ends, bp_jnode ***items, uint32_t *n) {
    bp_jnodes list = { 0 };
    bool good = true;
    while (good && bp_jp_now(p)->type != BP_JT_EOF) {
        const bp_jtoken *t = bp_jp_now(p);
        p->at++;
        if (t->type == BP_JT_DATA) {
            good = bp_jp_add(p, &list, data(p, t));
        } else if (t->type == BP_JT_OUTPUT) {
            good = bp_jp_add(p, &list, output(p, t));
        } else {
            if (at_end(p, ends)) break;
            good = bp_jp_add(p, &list, statement(p)) && bp_jp_expect(p, BP_JT_BLOCK_END);
        }
    }
    return bp_jp_keep(p, &list, items, n) && good;
}

bp_status bp_jinja_parse(bp_jinja *j, const bp_jtoken *tokens, size_t n, bp_error *error) {
    (void)n;
    bp_jparser p = { .j = j, .tokens = tokens, .error = error };
    if (error) error->status = BP_E_INVALID;
    bool good = statements(&p, NULL, &j->body, &j->n_body);
    if (!good && !p.failed) return bp_fail(error, BP_E_NO_MEMORY, "template: out of memory");
    return good && !p.failed ? BP_OK : BP_E_INVALID;
}
