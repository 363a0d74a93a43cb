#include <string.h>

#include "core/base/fail.h"
#include "core/config/settings.h"

enum target { TO_NOTHING, TO_OPTION, TO_OWN, TO_CONFIG, TO_HELP, TO_PRINT };

struct match {
    enum target target;
    uint32_t index;
    bool takes_value, negated;
    const char *value; /* after "=", or the next argument */
};

struct walk {
    bp_config *config;
    bp_own_flag *own;
    uint32_t n_own;
    bool files; /* this pass looks at --config alone */
    bp_error *error;
};

/* Every command's own flags. */
static const struct common {
    const char *flag, *help;
    enum target target;
    bool takes_value;
} common[] = {
    { "--config", "read settings from an INI file", TO_CONFIG, true },
    { "--print-config", "show every setting and where it came from", TO_PRINT, false },
    { "-h,--help", "show this text", TO_HELP, false },
};
enum { N_COMMON = sizeof common / sizeof common[0] };

/* Is the argument's first n bytes this flag? */
static bool is_flag(const char *argument, size_t n, const char *flag) {
    const char *name = bp_flag_long(flag);
    if (n == 2 && argument[1] == bp_flag_short(flag)) return true;
    return strlen(name) == n && !memcmp(name, argument, n);
}

static bool is_negated(const char *argument, size_t n, const char *flag) {
    const char *name = bp_flag_long(flag) + 2;
    return n > 5 && !memcmp(argument, "--no-", 5) && strlen(name) == n - 5 && !memcmp(name, argument + 5, n - 5);
}

static struct match find_option(const char *argument, size_t n) {
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        const bp_option_info *o = &bp_option_table[i];
        bool flips = o->kind == BP_KIND_BOOL;
        if (is_flag(argument, n, o->flag)) return (struct match){ TO_OPTION, i, !flips, false, NULL };
        if (flips && is_negated(argument, n, o->flag)) return (struct match){ TO_OPTION, i, false, true, NULL };
    }
    return (struct match){ 0 };
}

static struct match find_flag(const struct walk *w, const char *argument) {
    size_t n = argument[1] == '-' ? strcspn(argument, "=") : strlen(argument);
    struct match m = { 0 };
    for (uint32_t i = 0; i < w->n_own && !m.target; i++)
        if (is_flag(argument, n, w->own[i].flag)) m = (struct match){ TO_OWN, i, w->own[i].takes_value, false, NULL };
    for (uint32_t i = 0; i < N_COMMON && !m.target; i++)
        if (is_flag(argument, n, common[i].flag))
            m = (struct match){ common[i].target, i, common[i].takes_value, false, NULL };
    if (!m.target) m = find_option(argument, n);
    if (m.target && argument[n] == '=') m.value = argument + n + 1;
    return m;
}

static bp_status unknown_flag(const struct walk *w, const char *argument) {
    const char *near = NULL;
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) near = bp_nearer(argument, near, bp_flag_long(bp_option_table[i].flag));
    for (uint32_t i = 0; i < w->n_own; i++) near = bp_nearer(argument, near, bp_flag_long(w->own[i].flag));
    for (uint32_t i = 0; i < N_COMMON; i++) near = bp_nearer(argument, near, bp_flag_long(common[i].flag));
    if (near && argument[1] == '-')
        return bp_fail(w->error, BP_E_INVALID, "unknown flag '%s'; did you mean '%s'?", argument, near);
    return bp_fail(w->error, BP_E_INVALID, "unknown flag '%s'; --help lists what there is", argument);
}

static bp_status obey(const struct walk *w, const struct match *m) {
    if (w->files) return m->target == TO_CONFIG ? bp_config_load(w->config, m->value, w->error) : BP_OK;
    if (m->target == TO_OWN) w->own[m->index].value = m->takes_value ? m->value : "";
    if (m->target == TO_PRINT) w->config->wants_print = true;
    if (m->target != TO_OPTION) return BP_OK;
    const char *value = m->takes_value ? m->value : m->negated ? "no" : "yes";
    const char *name = bp_flag_long(bp_option_table[m->index].flag);
    return bp_setting_store(w->config, m->index, BP_FROM_FLAG, value, name, w->error);
}

/* One pass over the arguments. Stops at --help. */
static bp_status walk(const struct walk *w, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (argument[0] != '-' || !argument[1])
            return bp_fail(w->error, BP_E_INVALID, "'%s' follows no flag that takes a value; see --help", argument);
        struct match m = find_flag(w, argument);
        if (!m.target) return unknown_flag(w, argument);
        if (m.value && !m.takes_value)
            return bp_fail(w->error, BP_E_INVALID, "'%s': this flag takes no value", argument);
        if (m.takes_value && !m.value && i + 1 == argc)
            return bp_fail(w->error, BP_E_INVALID, "'%s' needs a value after it", argument);
        if (m.takes_value && !m.value) m.value = argv[++i];
        if (m.target == TO_HELP) w->config->wants_help = true;
        if (m.target == TO_HELP) return BP_OK;
        bp_status status = obey(w, &m);
        if (status) return status;
    }
    return BP_OK;
}

bp_status bp_config_arguments(bp_config *config, int argc, char **argv, bp_own_flag *own, uint32_t n_own,
                              bp_error *error) {
    struct walk w = { config, own, n_own, true, error };
    for (uint32_t i = 0; i < n_own; i++) own[i].value = NULL;
    bp_status status = walk(&w, argc, argv);
    if (status || config->wants_help) return status;
    w.files = false;
    return walk(&w, argc, argv);
}

static void help_line(FILE *to, const char *flag, bool takes_value, const char *help, const char *value) {
    char left[48];
    const char *name = bp_flag_long(flag);
    char letter[8] = "    ";
    if (bp_flag_short(name)) letter[0] = 0; /* it has no long name */
    else if (bp_flag_short(flag)) snprintf(letter, sizeof letter, "-%c, ", bp_flag_short(flag));
    snprintf(left, sizeof left, "%s%s%s", letter, name, takes_value ? " X" : "");
    fprintf(to, "  %-28s %s", left, help);
    if (value) fprintf(to, " [%s]", value);
    fputc('\n', to);
}

void bp_config_help(FILE *to, const char *command, const char *summary, const bp_own_flag *own, uint32_t n_own) {
    fprintf(to, "usage: %s [flags]\n%s\n\n", command, summary);
    for (uint32_t i = 0; i < n_own; i++) help_line(to, own[i].flag, own[i].takes_value, own[i].help, NULL);
    for (uint32_t i = 0; i < N_COMMON; i++) help_line(to, common[i].flag, common[i].takes_value, common[i].help, NULL);
    const char *section = "";
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        const bp_option_info *o = &bp_option_table[i];
        if (strcmp(section, o->section)) fprintf(to, "\nSection [%s] of an INI file:\n", o->section);
        section = o->section;
        help_line(to, o->flag, o->kind != BP_KIND_BOOL, o->help, o->value);
    }
    fputs("\nA flag wins over the environment (--top-k: LLM_TOP_K), which wins over the INI file.\n", to);
}
