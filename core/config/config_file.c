#define _GNU_SOURCE
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/own_folder.h"
#include "core/base/size.h"
#include "core/config/settings.h"

/* inih keeps 49 bytes of a section's name. */
enum { FILE_LIMIT = 1 << 20, SECTION_LIMIT = 49, PATH_LIMIT = 4096 };

struct reading {
    bp_config *config;
    const char *name, *at; /* the file, and the text still to read */
    uint32_t line;
    bp_status status; /* of the first failure */
    bp_error *error;
};

static const char *origin(const struct reading *r) {
    return bp_arena_format(&r->config->arena, "%s:%u", r->name, r->line);
}

static void skip_blanks(struct reading *r) {
    while (*r->at == ' ' || *r->at == '\t') r->at++;
}

/* Lines for inih. Indents are dropped, so that an indented key is a key and no continuation of the line above. */
static char *next_line(char *out, int size, void *stream) {
    struct reading *r = stream;
    if (!*r->at || r->status) return NULL;
    r->line++;
    skip_blanks(r);
    size_t n = strcspn(r->at, "\n"), room = (size_t)size - 2, copied = n;
    if (n > room && *r->at != '#' && *r->at != ';')
        r->status = bp_fail(r->error, BP_E_REFUSED, "%s:%u: the line has %zu bytes, but %zu are the most; shorten it",
                            r->name, r->line, n, room);
    if (n > room) copied = 0;
    memcpy(out, r->at, copied);
    memcpy(out + copied, "\n", 2);
    r->at += n + (r->at[n] == '\n');
    return out;
}

static bp_status unknown_key(const struct reading *r, const char *section, const char *key) {
    const char *near = NULL;
    bool known = false;
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        const bp_option_info *o = &bp_option_table[i];
        if (!strcmp(o->key, key))
            return bp_fail(r->error, BP_E_INVALID, "%s:%u: the key '%s' belongs in [%s], not in [%s]; move it", r->name,
                           r->line, key, o->section, section);
        if (strcmp(o->section, section)) continue;
        known = true;
        near = bp_nearer(key, near, o->key);
    }
    if (!known)
        return bp_fail(r->error, BP_E_INVALID, "%s:%u: unknown section [%s] (key '%s'); --help lists what there is",
                       r->name, r->line, section, key);
    if (near)
        return bp_fail(r->error, BP_E_INVALID, "%s:%u: unknown key '%s' in [%s]; did you mean '%s'?", r->name, r->line,
                       key, section, near);
    return bp_fail(r->error, BP_E_INVALID, "%s:%u: unknown key '%s' in [%s]; remove it (--help lists what there is)",
                   r->name, r->line, key, section);
}

static bp_status add_backend_key(const struct reading *r, const char *backend, const char *key, const char *value) {
    bp_config *c = r->config;
    if (!*backend || !*key)
        return bp_fail(r->error, BP_E_INVALID, "%s:%u: write [backend.NAME] and key = value", r->name, r->line);
    void *keys = c->keys;
    bool room = bp_grow(&keys, &c->keys_capacity, c->n_keys + 1, sizeof *c->keys);
    c->keys = keys;
    bp_backend_key k = { .backend = bp_arena_text(&c->arena, backend, strlen(backend)),
                         .key = bp_arena_text(&c->arena, key, strlen(key)),
                         .value = bp_arena_text(&c->arena, value, strlen(value)), .origin = origin(r) };
    if (!room || !k.backend || !k.key || !k.value || !k.origin)
        return bp_fail(r->error, BP_E_NO_MEMORY, "no memory for the settings");
    c->keys[c->n_keys++] = k;
    return BP_OK;
}

static bp_status take_pair(const struct reading *r, const char *section, const char *key, const char *value) {
    if (strlen(section) >= SECTION_LIMIT)
        return bp_fail(r->error, BP_E_REFUSED, "%s:%u: the section's name is too long", r->name, r->line);
    if (!strncmp(section, "backend.", 8)) return add_backend_key(r, section + 8, key, value);
    for (uint32_t i = 0; i < BP_OPT_COUNT; i++) {
        if (strcmp(bp_option_table[i].section, section) || strcmp(bp_option_table[i].key, key)) continue;
        const char *from = origin(r);
        if (!from) return bp_fail(r->error, BP_E_NO_MEMORY, "no memory for the settings");
        return bp_setting_store(r->config, i, BP_FROM_FILE, value, from, r->error);
    }
    return unknown_key(r, section, key);
}

static int on_pair(void *user, const char *section, const char *key, const char *value) {
    struct reading *r = user;
    if (!r->status) r->status = take_pair(r, section, key, value);
    return r->status == BP_OK;
}

static bp_status parse(bp_config *config, const char *name, const bp_text *text, bp_error *error) {
    struct reading r = { .config = config, .name = name, .at = bp_text_get(text), .error = error };
    if (strlen(r.at) != text->size) return bp_fail(error, BP_E_INVALID, "%s: no text file (it has a zero byte)", name);
    int line = ini_parse_stream(next_line, &r, on_pair, &r);
    if (r.status) return r.status;
    if (line > 0) return bp_fail(error, BP_E_INVALID, "%s:%d: write [section] or key = value", name, line);
    return line ? bp_fail(error, BP_E_NO_MEMORY, "%s: no memory to read it", name) : BP_OK;
}

/* The file that comes with the installation: PREFIX/share/backplane/configs/NAME, for a command in PREFIX/bin or the library. */
static bool installed_path(const char *name, char *out, size_t size) {
    static const char *const places[] = { "../share/backplane/configs", "../../share/backplane/configs" }; /* lib may have a subfolder */
    char folder[PATH_LIMIT];
    if (strchr(name, '/') || !bp_own_folder(folder, sizeof folder)) return false;
    for (size_t i = 0; i < BP_COUNT(places); i++) {
        int length = snprintf(out, size, "%s/%s/%s", folder, places[i], name);
        if (length > 0 && (size_t)length < size && access(out, R_OK) == 0) return true;
    }
    return false;
}

bp_status bp_config_load(bp_config *config, const char *path, bp_error *error) {
    char installed[PATH_LIMIT];
    const char *file = path;
    if (strcmp(path, "-") && access(path, F_OK) && installed_path(path, installed, sizeof installed)) file = installed;
    bp_text text = { 0 };
    bp_status status = bp_file_read(file, FILE_LIMIT, &text, error);
    if (!status && text.failed) status = bp_fail(error, BP_E_NO_MEMORY, "%s: no memory to read it", file);
    if (!status) status = parse(config, file, &text, error);
    bp_text_free(&text);
    return status;
}
