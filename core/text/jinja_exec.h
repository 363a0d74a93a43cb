/* One rendering of a template. Private to core/text. */
#ifndef BP_TEXT_JINJA_EXEC_H
#define BP_TEXT_JINJA_EXEC_H

#include "core/text/jinja_tree.h"

typedef struct bp_jvariable { uint32_t name; bp_jv value; } bp_jvariable;

typedef struct bp_jscope { /* names that a for, macro, with, … sets are gone at its end */
    struct bp_jscope *parent;
    bp_jvariable *variables;
    size_t count, capacity;
    bool kept; /* a macro was made in it: it may be used later */
} bp_jscope;

typedef struct bp_jx {
    const bp_jinja *j;
    bp_arena arena;
    bp_text *out;      /* where output goes now: the result, or a macro's or block's text */
    bp_jscope *scope;
    bp_jv *globals;    /* by name id: variables given, then functions, then what the top level sets */
    uint64_t steps, bytes;
    uint32_t depth;
    bool failed;
    bp_status status;
    size_t failed_at;  /* SIZE_MAX: not known yet */
    char message[BP_ERROR_TEXT];
} bp_jx;

typedef struct bp_jmacro {
    const bp_jnode *node; /* MACRO or CALL_BLOCK */
    const bp_jstring *name; /* NULL: a caller */
    bp_jscope *scope;
} bp_jmacro;

typedef struct bp_jloop {
    bp_jiterator *it;
    bp_jv over;
    const bp_jnode *node; /* the for statement */
    bp_jscope *scope;     /* around it */
    int64_t index0, length, depth0; /* length -1: not counted yet */
    bp_jv before, current, after; /* MISSING: none; after is read ahead */
    bp_jv changed; /* a tuple */
} bp_jloop;

/* Report; the first report counts. Gives BP_J_FAIL. */
bp_jv bp_jx_fail(bp_jx *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
bp_jv bp_jx_undefined(bp_jx *x, bp_jv v); /* report the use of an undefined value */
bool bp_jx_steps(bp_jx *x, size_t n); /* false: too many */
/* Charge work on each of n characters, before it is done. */
static inline bool bp_jx_work(bp_jx *x, size_t n) { return bp_jx_steps(x, n / 4); }
void *bp_jx_alloc(bp_jx *x, size_t bytes);
bool bp_jx_enter(bp_jx *x); /* one level deeper; false: too deep */
static inline void bp_jx_leave(bp_jx *x) { x->depth--; }
/* Output that was added to text counts: false where it is too long or memory ended. */
bool bp_jx_text(bp_jx *x, const bp_text *text);

bp_jv bp_jx_eval(bp_jx *x, const bp_jnode *node);
/* Run statements: how they ended. */
enum { BP_JX_GOOD, BP_JX_BREAK, BP_JX_CONTINUE, BP_JX_FAILED };
int bp_jx_body(bp_jx *x, bp_jnode **body, uint32_t n);
/* The text that a body writes, run in scope (BP_J_FAIL: failed); the scope is restored. */
bp_jv bp_jx_capture(bp_jx *x, bp_jnode **body, uint32_t n, bp_jscope *scope);
bp_jv bp_jx_name(bp_jx *x, uint32_t name);
bool bp_jx_assign(bp_jx *x, uint32_t name, bp_jv value);
bool bp_jx_assign_to(bp_jx *x, const bp_jnode *target, bp_jv value); /* a name, a tuple of them, a namespace's item */
bp_jscope *bp_jx_scope(bp_jx *x, bp_jscope *parent); /* a new scope; NULL: no memory */
bp_jv bp_jx_new_macro(bp_jx *x, const bp_jnode *node, const bp_jstring *name);
bp_jv bp_jx_run_loop(bp_jx *x, const bp_jnode *node, bp_jv over, bp_jscope *scope, int64_t depth0);
bool bp_jloop_more(bp_jx *x, bp_jloop *loop, bool *more); /* read ahead: is there a next item? */

bp_jv bp_jx_call(bp_jx *x, bp_jv callee, const bp_jargs *args);
bp_jv bp_jx_call_macro(bp_jx *x, const bp_jmacro *macro, const bp_jargs *args);
bp_jv bp_jx_apply(bp_jx *x, const bp_jfunction *function, bp_jv self, const bp_jargs *args);
/* Evaluate a call's arguments; `caller` (or MISSING) is added as a keyword. */
bool bp_jx_arguments(bp_jx *x, const bp_jnode *node, bp_jv caller, bp_jargs *args);
bp_jv bp_jx_filter(bp_jx *x, const bp_jnode *node, bp_jv input);

bp_jv bp_jx_attribute(bp_jx *x, bp_jv object, bp_jv name); /* object.name */
bp_jv bp_jx_item(bp_jx *x, bp_jv object, bp_jv key);       /* object[key] */
bp_jv bp_jx_slice(bp_jx *x, bp_jv object, const bp_jrange *slice);
bp_jv bp_jx_method(bp_jx *x, bp_jv object, const char *name, bool *found);
bp_jv bp_jx_binary(bp_jx *x, uint8_t op, bp_jv a, bp_jv b);
bp_jv bp_jx_add(bp_jx *x, bp_jv a, bp_jv b);
bp_jv bp_jx_power(bp_jx *x, bp_jv a, bp_jv b);
bp_jv bp_jx_percent(bp_jx *x, bp_jv format, bp_jv values); /* "%s" % values */
bp_jv bp_jx_format(bp_jx *x, bp_jv format, const bp_jargs *args); /* "{}".format */
bool bp_jx_format_spec(bp_jx *x, bp_jv v, const char *spec, size_t n, bp_text *out); /* format(v, spec) */
bp_jv bp_jx_escape(bp_jx *x, bp_jv v); /* for HTML: a safe string */

bp_jiterator *bp_jx_iterate(bp_jx *x, bp_jv v); /* NULL: an error (it cannot be iterated) */
int bp_jx_next(bp_jx *x, bp_jiterator *it, bp_jv *item); /* 1 an item, 0 the end, -1 an error */
bp_jv bp_jx_to_list(bp_jx *x, bp_jv v);
bp_jv bp_jx_generator(bp_jx *x, bp_jiterator it);
bool bp_jx_keep_args(bp_jx *x, const bp_jargs *args, size_t from, bp_jargs *out);

typedef struct bp_jfor { const bp_jnode *node; bp_jscope *scope; } bp_jfor;

const bp_jfunction *bp_jinja_filter(const char *name); /* NULL: unknown */
const bp_jfunction *bp_jinja_test(const char *name);
const bp_jfunction *bp_jinja_method(uint8_t type, const char *name);
const bp_jfunction *bp_jinja_global(const char *name);

#endif
