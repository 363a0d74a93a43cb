/* Loading a shared object once in a process of its own. */
#ifndef BP_DEVICE_PLUGIN_PROBE_H
#define BP_DEVICE_PLUGIN_PROBE_H

#include <stdint.h>

#include "backplane/status.h"

/* Fork a process that loads path (its constructors run) and ends. BP_E_REFUSED, and why, unless that goes well within
 * timeout_ms; the process is killed after that. */
bp_status bp_plugin_probe(const char *path, int64_t timeout_ms, bp_error *error);

#endif
