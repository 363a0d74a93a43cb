/* Expressions of templates: tokens to a tree, with the precedences of jinja2 (which are not all Python's). */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

static bp_jnode *unary(bp_jparser *p, bool with_filters);
static bp_jnode *condition(bp_jparser *p);

static bp_jnode *two(bp_jparser *p, uint8_t kind, size_t at, bp_jnode *a, bp_jnode *b) {
    bp_jnode *node = a && b ? bp_jp_node(p, kind, at) : NULL;
    if (!node) return NULL;
    node->a = a;
    node->b = b;
    return bp_jp_done(p, node);
}

static bp_jnode *one(bp_jparser *p, uint8_t kind, size_t at, bp_jnode *a) {
    bp_jnode *node = a ? bp_jp_node(p, kind, at) : NULL;
    if (!node) return NULL;
    node->a = a;
    return bp_jp_done(p, node);
}

static bp_jnode *constant(bp_jparser *p, size_t at, bp_jv value) {
    bp_jnode *node = bp_jp_node(p, BP_JK_CONST, at);
    if (node) node->value = value;
    return node;
}

static bp_jnode *name_or_constant(bp_jparser *p, bool with_namespace) {
    const bp_jtoken *t = bp_jp_now(p);
    const char *s = t->value.string->data;
    p->at++;
    if (!strcmp(s, "true") || !strcmp(s, "True")) return constant(p, t->at, bp_jv_bool(true));
    if (!strcmp(s, "false") || !strcmp(s, "False")) return constant(p, t->at, bp_jv_bool(false));
    if (!strcmp(s, "none") || !strcmp(s, "None")) return constant(p, t->at, bp_jv_none());
    bool item = with_namespace && bp_jp_skip(p, '.');
    bp_jnode *node = bp_jp_node(p, item ? BP_JK_NAMESPACE_ITEM : BP_JK_NAME, t->at);
    if (!node) return NULL;
    node->name = bp_jp_name(p, t->value.string);
    if (item) {
        if (bp_jp_now(p)->type != BP_JT_NAME) return bp_jp_fail(p, bp_jp_now(p)->at, "expected a name after '.'");
        node->value = bp_jp_now(p)->value;
        p->at++;
        return node;
    }
    if (!strcmp(s, "caller")) p->caller = true;
    if (!strcmp(s, "kwargs")) p->kwargs = true;
    if (!strcmp(s, "varargs")) p->varargs = true;
    return node;
}

/* Strings that stand side by side are one. */
static bp_jnode *strings(bp_jparser *p) {
    const bp_jtoken *first = bp_jp_now(p);
    p->at++;
    if (bp_jp_now(p)->type != BP_JT_STRING) return constant(p, first->at, first->value);
    bp_text text = { 0 };
    bp_text_add(&text, first->value.string->data, first->value.string->size);
    for (; bp_jp_now(p)->type == BP_JT_STRING; p->at++)
        bp_text_add(&text, bp_jp_now(p)->value.string->data, bp_jp_now(p)->value.string->size);
    bp_jv value = { .type = BP_J_STRING };
    if (!text.failed) value.string = bp_jinja_string(&p->j->arena, bp_text_get(&text), text.size);
    bp_text_free(&text);
    return value.string ? constant(p, first->at, value) : bp_jp_fail(p, first->at, "out of memory");
}

static bp_jnode *list(bp_jparser *p) {
    const bp_jtoken *open = bp_jp_now(p);
    bp_jnode *node = bp_jp_node(p, BP_JK_LIST, open->at);
    bp_jnodes items = { 0 };
    bool good = node;
    p->at++;
    while (good && bp_jp_now(p)->type != ']') {
        if (items.count) good = bp_jp_expect(p, ',');
        if (good && bp_jp_now(p)->type == ']') break;
        good = good && bp_jp_add(p, &items, bp_jp_expression(p, true));
    }
    good = good && bp_jp_expect(p, ']');
    good = bp_jp_keep(p, &items, node ? &node->items : NULL, node ? &node->n : NULL) && good;
    return good ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *dict(bp_jparser *p) {
    const bp_jtoken *open = bp_jp_now(p);
    bp_jnode *node = bp_jp_node(p, BP_JK_DICT, open->at);
    bp_jnodes keys = { 0 }, values = { 0 };
    bool good = node;
    p->at++;
    while (good && bp_jp_now(p)->type != '}') {
        if (keys.count) good = bp_jp_expect(p, ',');
        if (good && bp_jp_now(p)->type == '}') break;
        good = good && bp_jp_add(p, &keys, bp_jp_expression(p, true)) && bp_jp_expect(p, ':');
        good = good && bp_jp_add(p, &values, bp_jp_expression(p, true));
    }
    good = good && bp_jp_expect(p, '}');
    good = bp_jp_keep(p, &keys, node ? &node->items : NULL, node ? &node->n : NULL) && good;
    good = bp_jp_keep(p, &values, node ? &node->more : NULL, node ? &node->m : NULL) && good;
    return good ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *primary(bp_jparser *p, bool with_namespace) {
    const bp_jtoken *t = bp_jp_now(p);
    bp_jnode *node;
    switch (t->type) {
    case BP_JT_NAME: return name_or_constant(p, with_namespace);
    case BP_JT_STRING: return strings(p);
    case BP_JT_INTEGER:
    case BP_JT_FLOAT: p->at++; return constant(p, t->at, t->value);
    case '(':
        p->at++;
        node = bp_jp_tuple(p, true, NULL, true);
        return node && bp_jp_expect(p, ')') ? node : NULL;
    case '[': return list(p);
    case '{': return dict(p);
    default: return bp_jp_fail(p, t->at, "an expression was expected here");
    }
}

/* One index between [ and ]: an expression or a slice. */
static bp_jnode *subscript(bp_jparser *p) {
    const bp_jtoken *t = bp_jp_now(p);
    bp_jnode *first = NULL;
    if (t->type != ':') {
        first = bp_jp_expression(p, true);
        if (!first || bp_jp_now(p)->type != ':') return first;
    }
    bp_jnode *node = bp_jp_node(p, BP_JK_SLICE, t->at);
    if (!node || !bp_jp_expect(p, ':')) return NULL;
    node->a = first;
    uint8_t now = bp_jp_now(p)->type;
    if (now != ':' && now != ']' && now != ',' && !(node->b = bp_jp_expression(p, true))) return NULL;
    if (bp_jp_skip(p, ':')) {
        now = bp_jp_now(p)->type;
        if (now != ']' && now != ',' && !(node->c = bp_jp_expression(p, true))) return NULL;
    }
    return bp_jp_done(p, node);
}

static bp_jnode *subscripts(bp_jparser *p, bp_jnode *object, size_t at) {
    bp_jnodes items = { 0 };
    bool good = true;
    while (good && bp_jp_now(p)->type != ']') {
        if (items.count) good = bp_jp_expect(p, ',');
        good = good && bp_jp_add(p, &items, subscript(p));
    }
    good = good && bp_jp_expect(p, ']');
    if (good && items.count == 1) {
        bp_jnode *index = items.items[0];
        free(items.items);
        return two(p, BP_JK_ITEM, at, object, index);
    }
    bp_jnode *tuple = good ? bp_jp_node(p, BP_JK_TUPLE, at) : NULL;
    good = bp_jp_keep(p, &items, tuple ? &tuple->items : NULL, tuple ? &tuple->n : NULL) && tuple;
    return good ? two(p, BP_JK_ITEM, at, object, bp_jp_done(p, tuple)) : NULL;
}

static bp_jnode *member(bp_jparser *p, bp_jnode *object, size_t at) {
    const bp_jtoken *t = bp_jp_now(p);
    if (t->type != BP_JT_NAME && t->type != BP_JT_INTEGER)
        return bp_jp_fail(p, t->at, "expected a name or a number after '.'");
    p->at++;
    if (t->type == BP_JT_INTEGER) return two(p, BP_JK_ITEM, at, object, constant(p, t->at, t->value));
    bp_jnode *node = one(p, BP_JK_ATTRIBUTE, at, object);
    if (node) node->value = t->value;
    return node;
}

/* The arguments at "(" into node: items, words and more for keywords, b for *, c for **. */
static bool arguments(bp_jparser *p, bp_jnode *node) {
    bp_jnodes items = { 0 }, values = { 0 };
    const char **words = NULL;
    size_t words_room = 0, open = bp_jp_now(p)->at;
    bool good = bp_jp_expect(p, '('), comma = false;
    while (good && bp_jp_now(p)->type != ')') {
        if (comma && !(good = bp_jp_expect(p, ','))) break;
        if (comma && bp_jp_now(p)->type == ')') break;
        comma = true;
        const bp_jtoken *t = bp_jp_now(p);
        bool keyword = t->type == BP_JT_NAME && t[1].type == '=';
        good = t->type == BP_JT_POW || keyword ? !node->c
               : t->type == '*'                ? !node->b && !node->c
                                               : !node->b && !node->c && !values.count;
        if (!good) bp_jp_fail(p, open, "arguments in the wrong order");
        else if (bp_jp_skip(p, '*')) good = (node->b = bp_jp_expression(p, true));
        else if (bp_jp_skip(p, BP_JT_POW)) good = (node->c = bp_jp_expression(p, true));
        else if (!keyword) good = bp_jp_add(p, &items, bp_jp_expression(p, true));
        else {
            p->at += 2;
            good = bp_grow((void **)&words, &words_room, values.count + 1, sizeof *words);
            if (good) words[values.count] = t->value.string->data;
            good = good && bp_jp_add(p, &values, bp_jp_expression(p, true));
        }
    }
    good = good && bp_jp_expect(p, ')');
    if (good && values.count && (node->words = bp_jp_alloc(p, values.count * sizeof *words)))
        memcpy(node->words, words, values.count * sizeof *words);
    good = good && (!values.count || node->words);
    free(words);
    good = bp_jp_keep(p, &items, &node->items, &node->n) && good;
    return bp_jp_keep(p, &values, &node->more, &node->m) && good;
}

static bp_jnode *call(bp_jparser *p, bp_jnode *callee) {
    bp_jnode *node = bp_jp_node(p, BP_JK_CALL, bp_jp_now(p)->at);
    if (!node) return NULL;
    node->a = callee;
    return arguments(p, node) ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *postfix(bp_jparser *p, bp_jnode *node) {
    while (node) {
        const bp_jtoken *t = bp_jp_now(p);
        if (t->type == '(') node = call(p, node);
        else if (bp_jp_skip(p, '.')) node = member(p, node, t->at);
        else if (bp_jp_skip(p, '[')) node = subscripts(p, node, t->at);
        else break;
    }
    return node;
}

/* "a.b" after a bar or `is`: the name of a filter or test; false where there is none. */
static bool dotted(bp_jparser *p, bp_jv *name) {
    if (bp_jp_now(p)->type != BP_JT_NAME) return bp_jp_fail(p, bp_jp_now(p)->at, "expected a name"), false;
    *name = bp_jp_now(p)->value;
    p->at++;
    while (bp_jp_skip(p, '.')) { /* no filter or test has a dot in its name: unknown, but reported when used */
        if (!bp_jp_expect(p, BP_JT_NAME)) return false;
        name->string = bp_jinja_string(&p->j->arena, ".", 1);
        if (!name->string) return bp_jp_fail(p, bp_jp_now(p)->at, "out of memory"), false;
    }
    return true;
}

bp_jnode *bp_jp_filters(bp_jparser *p, bp_jnode *node, bool first) {
    while (first || bp_jp_skip(p, '|')) {
        bp_jnode *filter = bp_jp_node(p, BP_JK_FILTER, bp_jp_now(p)->at);
        if (!filter || !dotted(p, &filter->value)) return NULL;
        filter->a = node;
        filter->function = bp_jinja_filter(filter->value.string->data);
        if (bp_jp_now(p)->type == '(' && !arguments(p, filter)) return NULL;
        if (!(node = bp_jp_done(p, filter))) return NULL;
        first = false;
    }
    return node;
}

static bool begins_argument(const bp_jparser *p) {
    uint8_t t = bp_jp_now(p)->type;
    if (t == BP_JT_NAME) return !bp_jp_is_name(p, "else") && !bp_jp_is_name(p, "or") && !bp_jp_is_name(p, "and");
    return t == BP_JT_STRING || t == BP_JT_INTEGER || t == BP_JT_FLOAT || t == '[' || t == '{';
}

/* After `is`. */
static bp_jnode *test(bp_jparser *p, bp_jnode *left, size_t at) {
    bool negated = bp_jp_skip_name(p, "not");
    bp_jnode *node = bp_jp_node(p, BP_JK_TEST, at);
    if (!node || !dotted(p, &node->value)) return NULL;
    node->a = left;
    node->function = bp_jinja_test(node->value.string->data);
    if (bp_jp_now(p)->type == '(') {
        if (!arguments(p, node)) return NULL;
    } else if (begins_argument(p)) {
        if (bp_jp_is_name(p, "is")) return bp_jp_fail(p, bp_jp_now(p)->at, "tests cannot be chained with is");
        bp_jnodes items = { 0 };
        bool good = bp_jp_add(p, &items, postfix(p, primary(p, false)));
        if (!bp_jp_keep(p, &items, &node->items, &node->n) || !good) return NULL;
    }
    node = bp_jp_done(p, node);
    return negated ? one(p, BP_JK_NOT, at, node) : node;
}

static bp_jnode *filters_and_tests(bp_jparser *p, bp_jnode *node) {
    while (node) {
        const bp_jtoken *t = bp_jp_now(p);
        if (t->type == '|') node = bp_jp_filters(p, node, false);
        else if (bp_jp_skip_name(p, "is")) node = test(p, node, t->at);
        else if (t->type == '(') node = call(p, node);
        else break;
    }
    return node;
}

static bool deeper(bp_jparser *p) {
    if (p->depth++ < BP_JINJA_MAX_HEIGHT) return true;
    return bp_jp_fail(p, bp_jp_now(p)->at, "nested too deeply: more than %d levels", BP_JINJA_MAX_HEIGHT), false;
}

static bp_jnode *unary(bp_jparser *p, bool with_filters) {
    const bp_jtoken *t = bp_jp_now(p);
    bp_jnode *node = NULL;
    if (deeper(p)) {
        if (bp_jp_skip(p, '-')) node = one(p, BP_JK_NEGATIVE, t->at, unary(p, false));
        else if (bp_jp_skip(p, '+')) node = one(p, BP_JK_POSITIVE, t->at, unary(p, false));
        else node = primary(p, false);
        node = postfix(p, node);
        if (with_filters) node = filters_and_tests(p, node);
    }
    p->depth--;
    return node;
}

static bp_jnode *power(bp_jparser *p) {
    bp_jnode *node = unary(p, true);
    for (size_t at = bp_jp_now(p)->at; node && bp_jp_skip(p, BP_JT_POW); at = bp_jp_now(p)->at) {
        node = two(p, BP_JK_BINARY, at, node, unary(p, true));
        if (node) node->op = BP_JT_POW;
    }
    return node;
}

static bp_jnode *binary(bp_jparser *p, const uint8_t *ops, bp_jnode *(*part)(bp_jparser *)) {
    bp_jnode *node = part(p);
    while (node && bp_jp_now(p)->type && strchr((const char *)ops, bp_jp_now(p)->type)) {
        const bp_jtoken *t = bp_jp_now(p);
        p->at++;
        node = two(p, BP_JK_BINARY, t->at, node, part(p));
        if (node) node->op = t->type;
    }
    return node;
}

static bp_jnode *product(bp_jparser *p) {
    return binary(p, (const uint8_t[]){ '*', '/', BP_JT_FLOORDIV, '%', 0 }, power);
}

static bp_jnode *concat(bp_jparser *p) {
    size_t at = bp_jp_now(p)->at;
    bp_jnode *first = product(p);
    if (!first || bp_jp_now(p)->type != '~') return first;
    bp_jnode *node = bp_jp_node(p, BP_JK_CONCAT, at);
    bp_jnodes items = { 0 };
    bool good = node && bp_jp_add(p, &items, first);
    while (good && bp_jp_skip(p, '~')) good = bp_jp_add(p, &items, product(p));
    good = bp_jp_keep(p, &items, node ? &node->items : NULL, node ? &node->n : NULL) && good;
    return good ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *sum(bp_jparser *p) { return binary(p, (const uint8_t[]){ '+', '-', 0 }, concat); }

/* The comparison at the cursor, which moves past it; 0 where there is none. */
static uint8_t comparison(bp_jparser *p) {
    const bp_jtoken *t = bp_jp_now(p);
    if (t->type == BP_JT_EQ || t->type == BP_JT_NE || t->type == BP_JT_GE || t->type == BP_JT_LE || t->type == '<' ||
        t->type == '>')
        return p->at++, t->type;
    if (bp_jp_skip_name(p, "in")) return 'i';
    if (!bp_jp_is_name(p, "not") || t[1].type != BP_JT_NAME || strcmp(t[1].value.string->data, "in")) return 0;
    p->at += 2;
    return 'n';
}

static bp_jnode *compare(bp_jparser *p) {
    size_t at = bp_jp_now(p)->at;
    bp_jnode *first = sum(p);
    uint8_t op = first ? comparison(p) : 0;
    if (!op) return first;
    bp_jnode *node = bp_jp_node(p, BP_JK_COMPARE, at);
    bp_jnodes items = { 0 };
    uint8_t *ops = NULL;
    size_t room = 0;
    bool good = node;
    for (; good && op; op = good ? comparison(p) : 0) {
        good = bp_grow((void **)&ops, &room, items.count + 1, 1);
        if (good) ops[items.count] = op;
        good = good && bp_jp_add(p, &items, sum(p));
    }
    if (good) {
        node->a = first;
        node->ops = bp_jp_alloc(p, items.count);
        if (node->ops) memcpy(node->ops, ops, items.count);
        good = node->ops;
    }
    free(ops);
    good = bp_jp_keep(p, &items, node ? &node->items : NULL, node ? &node->n : NULL) && good;
    return good ? bp_jp_done(p, node) : NULL;
}

static bp_jnode *negation(bp_jparser *p) {
    size_t at = bp_jp_now(p)->at;
    if (!bp_jp_skip_name(p, "not")) return compare(p);
    bp_jnode *node = deeper(p) ? one(p, BP_JK_NOT, at, negation(p)) : NULL;
    p->depth--;
    return node;
}

static bp_jnode *both(bp_jparser *p) {
    bp_jnode *node = negation(p);
    for (size_t at = bp_jp_now(p)->at; node && bp_jp_skip_name(p, "and"); at = bp_jp_now(p)->at)
        node = two(p, BP_JK_AND, at, node, negation(p));
    return node;
}

static bp_jnode *either(bp_jparser *p) {
    bp_jnode *node = both(p);
    for (size_t at = bp_jp_now(p)->at; node && bp_jp_skip_name(p, "or"); at = bp_jp_now(p)->at)
        node = two(p, BP_JK_OR, at, node, both(p));
    return node;
}

static bp_jnode *condition(bp_jparser *p) {
    bp_jnode *node = either(p);
    for (size_t at = bp_jp_now(p)->at; node && bp_jp_skip_name(p, "if"); at = bp_jp_now(p)->at) {
        bp_jnode *choice = bp_jp_node(p, BP_JK_IF_ELSE, at);
        if (!choice) return NULL;
        choice->b = node;
        if (!(choice->a = either(p))) return NULL;
        if (bp_jp_skip_name(p, "else")) {
            if (deeper(p)) choice->c = condition(p);
            p->depth--;
            if (!choice->c) return NULL;
        }
        node = bp_jp_done(p, choice);
    }
    return node;
}

bp_jnode *bp_jp_expression(bp_jparser *p, bool with_condition) {
    return with_condition ? condition(p) : either(p);
}

static bool ends_tuple(const bp_jparser *p, const char *end) {
    uint8_t t = bp_jp_now(p)->type;
    return t == BP_JT_OUTPUT_END || t == BP_JT_BLOCK_END || t == ')' || (end && bp_jp_is_name(p, end));
}

static bp_jnode *tuple(bp_jparser *p, const char *end, bool empty_is_good, int how, bool with_namespace) {
    size_t at = bp_jp_now(p)->at;
    bp_jnodes items = { 0 };
    bool good = true, is_tuple = false;
    for (;;) {
        if (items.count && !(good = bp_jp_expect(p, ','))) break;
        if (ends_tuple(p, end)) break;
        bp_jnode *part = how < 0 ? primary(p, with_namespace) : bp_jp_expression(p, how);
        if (!(good = bp_jp_add(p, &items, part)) || bp_jp_now(p)->type != ',') break;
        is_tuple = true;
    }
    if (good && !is_tuple && items.count) {
        bp_jnode *only = items.items[0];
        free(items.items);
        return only;
    }
    if (good && !items.count && !empty_is_good) good = bp_jp_fail(p, at, "an expression was expected here");
    bp_jnode *node = good ? bp_jp_node(p, BP_JK_TUPLE, at) : NULL;
    good = bp_jp_keep(p, &items, node ? &node->items : NULL, node ? &node->n : NULL) && node;
    return good ? bp_jp_done(p, node) : NULL;
}

bp_jnode *bp_jp_tuple(bp_jparser *p, bool with_condition, const char *end, bool parentheses) {
    bp_jnode *node = deeper(p) ? tuple(p, end, parentheses, with_condition, false) : NULL;
    p->depth--;
    return node;
}

static bool can_assign(const bp_jnode *node) {
    if (node->kind == BP_JK_NAME || node->kind == BP_JK_NAMESPACE_ITEM) return true;
    for (uint32_t i = 0; node->kind == BP_JK_TUPLE && i < node->n; i++)
        if (!can_assign(node->items[i])) return false;
    return node->kind == BP_JK_TUPLE;
}

bp_jnode *bp_jp_target(bp_jparser *p, const char *end, bool with_namespace) {
    size_t at = bp_jp_now(p)->at;
    bool caller = p->caller, kwargs = p->kwargs, varargs = p->varargs; /* assigning is not reading */
    bp_jnode *node = tuple(p, end, false, -1, with_namespace);
    p->caller = caller, p->kwargs = kwargs, p->varargs = varargs;
    if (node && !can_assign(node)) return bp_jp_fail(p, at, "only names can be assigned to");
    return node;
}
