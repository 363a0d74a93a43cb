/* The parts of an answer's parser. Private to core/text. Text that came and was not taken yet is `rest`; a reader takes
 * some of it in each step and says what is next. A step decides by whole tokens only, so that it makes no difference in
 * which pieces the text came. */
#ifndef BP_TEXT_ANSWER_INTERNAL_H
#define BP_TEXT_ANSWER_INTERNAL_H

#include <stdbool.h>

#include "core/base/text.h"
#include "core/text/answer.h"

enum bp_call_form {
    BP_CALL_NONE,
    BP_CALL_JSON,      /* {"name": …, "arguments": …}, several of them, or a list of them */
    BP_CALL_BARE,      /* the same without a marker, at the answer's beginning */
    BP_CALL_KEYED,     /* {NAME: {…}}, or as JSON */
    BP_CALL_FENCED,    /* JSON behind ```json */
    BP_CALL_TAGGED,    /* JSON, <function=NAME>…, NAME <arg_key>…, or NAME {…} */
    BP_CALL_FUNCTION,  /* what follows <function= */
    BP_CALL_INVOKE,    /* what follows <invoke name=" */
    BP_CALL_DSML,      /* the same in DeepSeek's tags */
    BP_CALL_CODE,      /* JSON, or name.call(key="value"), or code */
    BP_CALL_PYTHON,    /* [name(key='value', …), …], or JSON */
    BP_CALL_GEMMA,     /* call:NAME{key:<|"|>value<|"|>, …} */
    BP_CALL_MISTRAL,   /* JSON, or NAME[ARGS]{…} */
    BP_CALL_DEEPSEEK,  /* function<｜tool▁sep｜>NAME ```json … ```, or NAME<｜tool▁sep｜>{…} */
    BP_CALL_KIMI,      /* functions.NAME:0<|tool_call_argument_begin|>{…} */
    BP_CALL_SOLAR,     /* ID<|tool_call:name|>NAME<|tool_call:args|>{…} */
    BP_CALL_RECIPIENT, /* NAME, a new line, {…}; or "all" and content */
};

typedef struct bp_answer_marker {
    const char *text;
    int action, form;
    const char *end, *needs;
} bp_answer_marker;

typedef struct bp_piece { const char *s; size_t n; } bp_piece;

/* Where a JSON value is: inside strings brackets do not count. All zeros: before it. */
typedef struct bp_json_scan { uint32_t depth; bool in_string, escaped; } bp_json_scan;

enum bp_call_step {
    BP_STEP_ON,    /* go on with the next step */
    BP_STEP_MORE,  /* more text is needed */
    BP_STEP_END,   /* the calls of this marker are over */
    BP_STEP_BROKEN /* that is no call */
};
typedef int bp_call_fn(bp_answer *a);

typedef struct bp_call_tags bp_call_tags; /* answer_call_tags.c */

typedef struct bp_call_reader {
    bp_call_fn *next;
    int form;
    const char *end;   /* marker behind the calls; NULL: none */
    uint32_t n_before; /* calls before this marker */
    bp_text raw;       /* taken since the last call: content, if it is none */
    bp_text name, key;
    bp_text arguments; /* not handed on yet */
    bool named;        /* the name was handed on */
    bool began;        /* there are arguments */
    uint32_t level;    /* of nested objects around name and arguments */
    bp_json_scan scan;
    uint32_t depth;    /* of Python's brackets */
    uint64_t lists;    /* a bit a depth: a list, not a dictionary */
    bool comma;
    char quote;        /* of a Python text; 0: Gemma's */
    const bp_call_tags *tags;
    const json_t *parameters; /* JSON schemas of this function's parameters; NULL: not known */
    const json_t *schema;     /* of the parameter that is being read; NULL: not known */
    bool is_text;             /* that parameter is a text, whatever it looks like */
    size_t searched;          /* bytes of rest that hold no end of a value */
} bp_call_reader;

enum { BP_ANSWER_MOST_MARKERS = 128 };

struct bp_answer {
    bp_answer_sink sink;
    void *user;
    bool active[BP_ANSWER_MOST_MARKERS];
    bool first[256]; /* bytes that an active marker begins with */
    bool harmony, bare_json, bare_list, bare_python; /* what may begin an answer without a marker */
    int state, kind; /* kind: CONTENT or REASONING */
    bool trim;       /* drop white space until text comes */
    const bp_answer_marker *marker; /* of the call that is being read; NULL: bare */
    bool from_prompt;               /* the prompt ended in that marker */
    const char *dropped;            /* the end of a broken call, which is no content */
    bp_text pending;                /* not all handed on yet */
    size_t at, size;                /* the rest of pending, without a cut character at its end */
    bp_text space;                  /* white space held back until text follows */
    bp_call_reader call;
    uint32_t n_calls;
    json_t *tools;
};

/* ---- answer.c ---- */
bp_piece bp_answer_rest(const bp_answer *a);
void bp_answer_take(bp_answer *a, size_t n);
void bp_answer_hand_on(bp_answer *a, const char *s, size_t n); /* content or reasoning */
/* How many bytes at the end of s may begin the mark. */
size_t bp_answer_partial(const char *s, size_t n, const char *mark);
bool bp_answer_is_space(char c);

/* ---- answer_harmony.c ---- */
enum bp_answer_state {
    BP_ANSWER_BEGIN,   /* nothing but white space came: a bracket may begin a call */
    BP_ANSWER_TEXT,    /* content or reasoning */
    BP_ANSWER_IN_CALL, /* behind a call's marker */
    BP_ANSWER_HEADER, BP_ANSWER_BODY, BP_ANSWER_CALL_BODY, /* Harmony */
};
bool bp_harmony_step(bp_answer *a); /* false where more text is needed */
void bp_harmony_end(bp_answer *a);

/* ---- answer_call.c ---- */
void bp_call_begin(bp_answer *a, int form, const char *end);
/* The answer ended inside the call; false: it is none, and its text (raw and rest) is content. */
bool bp_call_cut(bp_answer *a);
void bp_call_flush(bp_answer *a); /* hand on the arguments that came */
void bp_call_forget(bp_answer *a);
void bp_call_free(bp_call_reader *c);

/* For readers. */
enum { BP_CALL_MAX_NAME = 1024 }; /* bytes of a name or key with what stands around it */
bp_piece bp_piece_trimmed(bp_piece p);
bool bp_piece_begins(bp_piece p, const char *words);
/* Split at the first mark. false: it is not there. */
bool bp_piece_cut(bp_piece p, const char *mark, bp_piece *before, bp_piece *after);
bool bp_piece_is_json(bp_piece p);
int bp_call_go(bp_answer *a, bp_call_fn *next); /* BP_STEP_ON */
/* What short tokens are looked for in: the first bytes of rest, so that pieces make no difference. */
bp_piece bp_call_short(const bp_answer *a);
int bp_call_wait(const bp_answer *a); /* the token is not whole in there: MORE, BROKEN where it is too long */
bool bp_call_skip(bp_answer *a, const char *characters); /* false: nothing is left */
int bp_call_at(const bp_answer *a, const char *text); /* 1: rest begins so, 0: it does not, -1: not to be said yet */
/* Between calls: END at the end marker, MORE, or ON where something else follows. */
int bp_call_between(bp_answer *a, const char *separators);
int bp_call_none(const bp_answer *a); /* what follows is no call: END after calls without an end marker, else BROKEN */
void bp_call_add(bp_answer *a, const char *s, size_t n); /* to the arguments */
void bp_call_adds(bp_answer *a, const char *s);
void bp_call_add_key(bp_answer *a, bp_piece key);
bool bp_call_set_name(bp_answer *a, bp_piece name); /* trims; false: it is none */
bool bp_call_may_be(const bp_answer *a); /* false: the tools are known, and none has this name */
void bp_call_commit(bp_answer *a);                  /* hand on the name: from now on it is a call */
void bp_call_done(bp_answer *a);                    /* the call is whole */
size_t bp_json_scan_on(bp_json_scan *j, bp_piece p, bool *done); /* bytes that belong to the value */
void bp_call_raw_arguments(bp_answer *a, bool *done); /* take a JSON value as arguments */

/* First steps of the readers. */
bp_call_fn bp_call_json, bp_call_json_object, bp_call_fenced, bp_call_header, bp_call_recipient, bp_call_tagged,
    bp_call_function, bp_call_code, bp_call_python;
/* Steps that mean something when the answer ends in them. */
bool bp_call_tags_cut(bp_answer *a);
bool bp_call_python_cut(bp_answer *a);
/* A list, dictionary or text as Python writes it, as JSON. */
bool bp_python_literal(bp_piece p, bp_text *out);

#endif
