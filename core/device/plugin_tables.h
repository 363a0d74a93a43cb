/* Checks of what a plugin hands over: its tables, its names and its messages. */
#ifndef BP_DEVICE_PLUGIN_TABLES_H
#define BP_DEVICE_PLUGIN_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "backplane/backend.h"

/* A backend's name: 1 to 63 letters, digits, '-' and '_'. */
bool bp_plugin_name_valid(const char *name);
/* BP_E_REFUSED unless the table reaches all members that version 1.0 requires and fills them. `file` is for
 * messages. */
bp_status bp_plugin_check_backend(const char *file, const bp_backend *backend, bp_error *error);
bp_status bp_plugin_check_device(const char *backend, const bp_device_api *api, bp_error *error);
/* What the plugin wrote into its bp_error, made one terminated line; the status in words where it wrote nothing. */
const char *bp_plugin_words(bp_error *from, bp_status status);

#endif
