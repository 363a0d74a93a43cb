#include "core/config/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/base/text.h"
#include "core/config/settings.h"

const bp_option_info bp_option_table[BP_OPT_COUNT] = {
#define BP_OPTION(id, section, key, flag, kind, value, help) [BP_OPT_##id] = { section, key, flag, kind, value, help },
#include "core/config/options.def"
#undef BP_OPTION
};

const char *bp_flag_long(const char *flag) {
    const char *comma = strchr(flag, ',');
    return comma ? comma + 1 : flag;
}

char bp_flag_short(const char *flag) { return flag[0] == '-' && flag[1] != '-' ? flag[1] : 0; }

static void variable_name(char *out, size_t size, const char *flag) {
    const char *name = bp_flag_long(flag) + 2;
    size_t n = (size_t)snprintf(out, size, "LLM_%s", name);
    for (size_t i = 4; i < BP_MIN(n, size - 1); i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

static bp_status load_variables(bp_config *config, bp_error *error) {
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        char name[64];
        variable_name(name, sizeof name, bp_option_table[i].flag);
        const char *value = getenv(name);
        if (!value || !*value) continue;
        bp_status status = bp_setting_store(config, i, BP_FROM_ENVIRONMENT, value, name, error);
        if (status) return status;
    }
    return BP_OK;
}

static bp_status load_defaults(bp_config *config, bp_error *error) {
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        config->settings[i].origin = "default";
        if (!bp_option_table[i].value) continue;
        bp_status status = bp_setting_store(config, i, BP_FROM_DEFAULT, bp_option_table[i].value, "default", error);
        if (status) return status;
    }
    return BP_OK;
}

bp_status bp_config_new(bp_config **out, bp_error *error) {
    bp_config *config = calloc(1, sizeof *config);
    if (!config) return bp_fail(error, BP_E_NO_MEMORY, "no memory for the settings");
    bp_status status = load_defaults(config, error);
    if (!status) status = load_variables(config, error);
    if (status) {
        bp_config_free(config);
        return status;
    }
    *out = config;
    return BP_OK;
}

void bp_config_free(bp_config *config) {
    if (!config) return;
    bp_arena_free(&config->arena);
    free(config->keys);
    free(config);
}

bool bp_config_wants_help(const bp_config *config) { return config->wants_help; }
bool bp_config_wants_print(const bp_config *config) { return config->wants_print; }

const char *bp_config_text(const bp_config *config, enum bp_option option) {
    const char *text = config->settings[option].text;
    return text && *text ? text : NULL;
}

int64_t bp_config_int(const bp_config *config, enum bp_option option) { return config->settings[option].integer; }
double bp_config_float(const bp_config *config, enum bp_option option) { return config->settings[option].number; }
bool bp_config_bool(const bp_config *config, enum bp_option option) { return config->settings[option].integer != 0; }

const char *bp_config_backend(bp_config *config, const char *backend, const char *key) {
    const char *value = NULL;
    for (size_t i = 0; i < config->n_keys; i++) {
        bp_backend_key *k = &config->keys[i];
        if (strcmp(k->backend, backend) || strcmp(k->key, key)) continue;
        k->asked = true;
        value = k->value;
    }
    return value;
}

bp_status bp_config_backend_unread(bp_config *config, const char *backend, bp_error *error) {
    for (size_t i = 0; i < config->n_keys; i++) {
        const bp_backend_key *k = &config->keys[i];
        if (k->asked || strcmp(k->backend, backend)) continue;
        return bp_fail(error, BP_E_INVALID, "%s: this backend knows no key '%s' in [backend.%s]; remove it", k->origin,
                       k->key, backend);
    }
    return BP_OK;
}

static void print_backends(const bp_config *config, FILE *to) {
    const char *section = "";
    for (size_t i = 0; i < config->n_keys; i++) {
        const bp_backend_key *k = &config->keys[i];
        if (strcmp(section, k->backend)) fprintf(to, "[backend.%s]\n", k->backend);
        section = k->backend;
        fprintf(to, "%s = %s ; %s\n", k->key, k->value, k->origin);
    }
}

void bp_config_print(const bp_config *config, FILE *to) {
    const char *section = "";
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        const bp_option_info *o = &bp_option_table[i];
        const bp_setting *s = &config->settings[i];
        if (strcmp(section, o->section)) fprintf(to, "[%s]\n", o->section);
        section = o->section;
        fprintf(to, "%s = %s ; %s\n", o->key, s->text ? s->text : "", s->origin);
    }
    print_backends(config, to);
}
