/* Settings: built-in default < INI file < environment (LLM_…) < flag. The one list of them is options.def. */
#ifndef BP_CONFIG_H
#define BP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "backplane/status.h"

enum bp_option {
#define BP_OPTION(id, section, key, flag, kind, value, help) BP_OPT_##id,
#include "core/config/options.def"
#undef BP_OPTION
    BP_OPT_COUNT
};
enum bp_option_kind { BP_KIND_TEXT, BP_KIND_INT, BP_KIND_FLOAT, BP_KIND_BOOL };

/* One thread at a time while it is filled; after that any number may read it (bp_config_backend writes). */
typedef struct bp_config bp_config;

/* Defaults and environment: LLM_ and the flag's long name, upper case, '_' for '-' (--plugin-path: LLM_PLUGIN_PATH).
 * An empty variable counts as not there. */
bp_status bp_config_new(bp_config **out, bp_error *error);
void bp_config_free(bp_config *config);
/* Read an INI file (inih). Unknown sections or keys, and values of the wrong kind, are errors with file and line. A
 * bare name that is no file here is looked for in share/backplane/configs of the installation that the command is from. */
bp_status bp_config_load(bp_config *config, const char *path, bp_error *error);
/* Parse argv: options as "-m X", "--model X", "--model=X"; a bool flag takes no value ("--no-…" unsets). --config is
 * loaded first. own/n_own: further flags of this command, given as bp_own_flag. Leftover words are an error.
 * -h, --help and --print-config are every command's: see bp_config_wants_help. Nothing after --help is read. */
typedef struct bp_own_flag {
    const char *flag;   /* "--ids" or "-p,--prompt" */
    bool takes_value;
    const char *help;
    const char *value;  /* out: the value, or "" for a flag without one that was given; NULL: not given */
} bp_own_flag;
bp_status bp_config_arguments(bp_config *config, int argc, char **argv, bp_own_flag *own, uint32_t n_own,
                              bp_error *error);
bool bp_config_wants_help(const bp_config *config);  /* -h or --help was given */
bool bp_config_wants_print(const bp_config *config); /* --print-config was given */
/* --help text: usage line, own flags, then all options. */
void bp_config_help(FILE *to, const char *command, const char *summary, const bp_own_flag *own, uint32_t n_own);
/* Every setting, its value and where it came from, as an INI file: --print-config. */
void bp_config_print(const bp_config *config, FILE *to);

const char *bp_config_text(const bp_config *config, enum bp_option option); /* NULL: not set, or set to "" */
int64_t bp_config_int(const bp_config *config, enum bp_option option);
double bp_config_float(const bp_config *config, enum bp_option option);
bool bp_config_bool(const bp_config *config, enum bp_option option);

/* The open sections [backend.NAME]: a key's value, NULL where not set. Remembers that it was asked for. */
const char *bp_config_backend(bp_config *config, const char *backend, const char *key);
/* BP_E_INVALID naming the first key of [backend.NAME] that nobody has asked for. */
bp_status bp_config_backend_unread(bp_config *config, const char *backend, bp_error *error);

#endif
