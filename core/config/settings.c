#include "core/config/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fail.h"
#include "core/base/size.h"

static bool parse_int(const char *value, int64_t *out) {
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    *out = n;
    return end != value && !*end && !errno;
}

static bool parse_float(const char *value, double *out) {
    char *end;
    *out = strtod(value, &end);
    return end != value && !*end && isfinite(*out);
}

static bool parse_bool(const char *value, int64_t *out) {
    static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
    for (size_t i = 0; i < BP_COUNT(words); i++) {
        if (strcasecmp(value, words[i])) continue;
        *out = (int64_t)(i & 1);
        return true;
    }
    return false;
}

static bool parse_value(enum bp_option_kind kind, bp_setting *setting, const char **wanted) {
    switch (kind) {
    case BP_KIND_INT: *wanted = "a whole number, such as 8"; return parse_int(setting->text, &setting->integer);
    case BP_KIND_FLOAT: *wanted = "a number, such as 0.7"; return parse_float(setting->text, &setting->number);
    case BP_KIND_BOOL: *wanted = "yes or no"; return parse_bool(setting->text, &setting->integer);
    case BP_KIND_TEXT: break;
    }
    return true;
}

bp_status bp_setting_store(bp_config *config, uint32_t option, enum bp_setting_source source, const char *value,
                           const char *origin, bp_error *error) {
    const bp_option_info *info = &bp_option_table[option];
    bp_setting setting = { .text = value, .source = source };
    const char *wanted = NULL;
    if (!parse_value(info->kind, &setting, &wanted))
        return bp_fail(error, BP_E_INVALID, "%s: '%s' is no value for '%s'; give %s", origin, value, info->key, wanted);
    if (source < config->settings[option].source) return BP_OK;
    setting.text = bp_arena_text(&config->arena, value, strlen(value));
    setting.origin = bp_arena_text(&config->arena, origin, strlen(origin));
    if (!setting.text || !setting.origin) return bp_fail(error, BP_E_NO_MEMORY, "no memory for the settings");
    config->settings[option] = setting;
    return BP_OK;
}

enum { LONGEST = 40 };

/* Levenshtein's distance; large where a word is longer than any key. */
static size_t distance(const char *a, const char *b) {
    size_t row[LONGEST + 1], n = strlen(b);
    if (n > LONGEST || strlen(a) > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t swap = corner + (a[i] != b[j]);
            corner = row[j + 1];
            row[j + 1] = BP_MIN(swap, BP_MIN(corner, row[j]) + 1);
        }
    }
    return row[n];
}

const char *bp_nearer(const char *word, const char *best, const char *next) {
    size_t near = strlen(word) / 3 + 1, d = distance(word, next);
    if (d > near || (best && distance(word, best) <= d)) return best;
    return next;
}
