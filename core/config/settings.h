/* What the files of core/config share: the option table and how one setting is stored. */
#ifndef BP_CONFIG_SETTINGS_H
#define BP_CONFIG_SETTINGS_H

#include <stddef.h>

#include "core/base/arena.h"
#include "core/config/config.h"

typedef struct bp_option_info {
    const char *section, *key, *flag; /* flag: "--model" or "-m,--model" */
    enum bp_option_kind kind;
    const char *value; /* the default; NULL: not set */
    const char *help;
} bp_option_info;
extern const bp_option_info bp_option_table[BP_OPT_COUNT];

/* Where a value came from; a higher one wins. */
enum bp_setting_source { BP_FROM_DEFAULT, BP_FROM_FILE, BP_FROM_ENVIRONMENT, BP_FROM_FLAG };

typedef struct bp_setting {
    const char *text; /* NULL: not set */
    int64_t integer;  /* BP_KIND_INT, BP_KIND_BOOL */
    double number;    /* BP_KIND_FLOAT */
    enum bp_setting_source source;
    const char *origin; /* "default", "gpu.ini:3", "LLM_MODEL", "--model" */
} bp_setting;

typedef struct bp_backend_key {
    const char *backend, *key, *value, *origin;
    bool asked; /* bp_config_backend was called for it */
} bp_backend_key;

struct bp_config {
    bp_arena arena;
    bp_setting settings[BP_OPT_COUNT];
    bp_backend_key *keys; /* in the order read; the last of a name counts */
    size_t n_keys, keys_capacity;
    bool wants_help, wants_print;
};

/* Check and store a value that `origin` gave for the option, unless a stronger source has set it. Texts are copied. */
bp_status bp_setting_store(bp_config *config, uint32_t option, enum bp_setting_source source, const char *value,
                           const char *origin, bp_error *error);
/* The flag's long name, "--model" of "-m,--model"; and its short one, 'm', or 0. */
const char *bp_flag_long(const char *flag);
char bp_flag_short(const char *flag);
/* Which of two words is closer to `word`: `best` (may be NULL) or `next`; NULL where neither is near. */
const char *bp_nearer(const char *word, const char *best, const char *next);

#endif
