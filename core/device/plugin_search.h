/* Where backends lie. */
#ifndef BP_DEVICE_PLUGIN_SEARCH_H
#define BP_DEVICE_PLUGIN_SEARCH_H

#include <stddef.h>

#include "core/config/config.h"

typedef struct bp_path_list {
    char **paths;
    size_t count, capacity;
} bp_path_list; /* all zeros is an empty list */

void bp_path_list_free(bp_path_list *list);

/* The folders searched, in order: --plugin-path (empty parts count for nothing), then those beside the executable. */
bp_status bp_plugin_folders(const bp_config *config, bp_path_list *folders, bp_error *error);
/* The resolved path (freed by the caller) of a backend given by name or by path. */
bp_status bp_plugin_find(const bp_config *config, const char *name_or_path, char **path, bp_error *error);
/* All files NAME.so of the folders, of each name the first found, by folder and name. */
bp_status bp_plugin_find_all(const bp_path_list *folders, bp_path_list *files, bp_error *error);

#endif
