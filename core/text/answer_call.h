/* The inside of tool calls: text to names and arguments. Private to core/text. */
#ifndef BP_TEXT_ANSWER_CALL_H
#define BP_TEXT_ANSWER_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/text.h"

enum bp_call_form {
    BP_CALL_NONE,
    BP_CALL_JSON,     /* {"name": …, "arguments": …}, several of them, or a list of them */
    BP_CALL_TAGGED,   /* JSON, or <function=NAME><parameter=KEY>…, or NAME <arg_key>… */
    BP_CALL_PYTHON,   /* JSON, or name.call(key="value"), or code */
    BP_CALL_MISTRAL,  /* JSON, or NAME[ARGS]{…} */
    BP_CALL_DEEPSEEK, /* function<｜tool▁sep｜>NAME ```json … ```, or NAME<｜tool▁sep｜>{…} */
    BP_CALL_KIMI,     /* functions.NAME:0<|tool_call_argument_begin|>{…} */
};

typedef struct bp_call_text { bp_text name, arguments; } bp_call_text;

typedef struct bp_call_list { bp_call_text *calls; size_t count, capacity; } bp_call_list;

/* Read the n bytes between a call's markers; false where they are no well-formed call (the list is then empty) or
 * memory ended. */
bool bp_calls_read(int form, const char *text, size_t n, bp_call_list *out);
/* One call whose name is known and whose arguments must be JSON. */
bool bp_calls_add(bp_call_list *list, const char *name, size_t n_name, const char *arguments, size_t n_arguments);
void bp_calls_free(bp_call_list *list);

#endif
