/* Backends: found, checked, loaded or refused in words (DESIGN: loading a plugin is a security boundary), and their
 * devices opened. */
#ifndef BP_DEVICE_PLUGIN_H
#define BP_DEVICE_PLUGIN_H

#include <stdio.h>

#include "backplane/backend.h"
#include "core/config/config.h"

/* An open device of a backend; api and backend live as long as the process. */
typedef struct bp_open_device {
    const bp_backend *backend;
    const bp_device_api *api;
    bp_device *handle;
} bp_open_device;

/* Find a plugin by name ("cpu") or path (has a '/'), check the file (regular; it and all folders above it, resolved,
 * are owned by root or the user and not writable by group or others, except sticky folders; ELF note with this ABI
 * major), load it once in a forked probe, then here (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), query it and check its
 * tables. A plugin already loaded is given again, and so is the failure of one whose query or tables were refused.
 * Names are searched in --plugin-path, then BP's own folders (beside the executable: ../lib/backplane, its lib64
 * and multiarch forms, and the build tree's ../backends); never the current directory, never LD_LIBRARY_PATH.
 * config lives as long as the process. */
bp_status bp_plugin_load(bp_config *config, const char *name_or_path, const bp_backend **out, bp_error *error);

/* Open device `index` of a loaded backend; then refuse configuration keys that nobody read. Close: out->api->close. */
bp_status bp_device_open(bp_config *config, const bp_backend *backend, uint32_t index, bp_open_device *out,
                         bp_error *error);

/* Open the device that the configuration selects. auto: the first of cuda, cpu, reference that loads and whose device 0
 * opens; keys that it leaves unread are an error even then. */
bp_status bp_device_select(bp_config *config, bp_open_device *out, bp_error *error);

/* Open what a name, a path, or either with ":INDEX" at its end says; keys that it leaves unread are an error. */
bp_status bp_device_open_name(bp_config *config, const char *name, bp_open_device *out, bp_error *error);

/* --list-backends: each backend found, its devices, or the reason why it was refused. */
bp_status bp_plugin_list(bp_config *config, FILE *to, bp_error *error);

#endif
