/* Character classes and escapes of regular expressions. Private to core/text. */
#ifndef BP_TEXT_GRAMMAR_REGEX_CLASS_H
#define BP_TEXT_GRAMMAR_REGEX_CLASS_H

#include "core/text/grammar_read.h"

typedef struct bp_ranges {
    bp_range *items; /* free with free() */
    size_t n, room;
    bool negated;
} bp_ranges;

/* "[...]" at the reader. False after an error, which is said. */
bool bp_regex_class(bp_reader *in, bp_ranges *set);
/* "\..." at the reader: the characters it stands for. in_class: \b is a character there. */
bool bp_regex_escape(bp_reader *in, bp_ranges *set, bool in_class);

#endif
