/* The table that a plugin gets from the engine: one a plugin. */
#ifndef BP_DEVICE_PLUGIN_HOST_H
#define BP_DEVICE_PLUGIN_HOST_H

#include "backplane/host.h"
#include "core/config/config.h"

enum { BP_SECTION_NAME = 64 };

/* Keys are looked up in [backend.SECTION], the file's name without .so, then in [backend.NAME] once the plugin has told
 * its name and it is another. */
typedef struct bp_plugin_host {
    bp_host table;
    bp_config *config;
    char section[BP_SECTION_NAME];
    const char *name; /* NULL: not known yet */
} bp_plugin_host;

/* host lives as long as the process; section is cut where too long. */
void bp_plugin_host_init(bp_plugin_host *host, bp_config *config, const char *section);
/* Any thread, at any time after init. */
void bp_plugin_host_set_name(bp_plugin_host *host, const char *name);
void bp_plugin_host_set_config(bp_plugin_host *host, bp_config *config);
/* BP_E_INVALID naming the first key of the plugin's sections that it did not ask for. */
bp_status bp_plugin_host_unread(bp_plugin_host *host, bp_config *config, bp_error *error);

#endif
