/* The steps of opening a device, for callers that treat their failures differently. */
#ifndef BP_DEVICE_PLUGIN_STEPS_H
#define BP_DEVICE_PLUGIN_STEPS_H

#include "core/device/plugin.h"

/* Count devices; *why is a sentence about there being none, never NULL. */
bp_status bp_plugin_count(const bp_backend *backend, uint32_t *count, const char **why, bp_error *error);
/* Open and check a device; unread configuration keys are not looked at. */
bp_status bp_plugin_open(const bp_backend *backend, uint32_t index, bp_open_device *out, bp_error *error);
/* Refuse configuration keys that nobody read; the device is closed on failure. */
bp_status bp_plugin_settle(bp_config *config, bp_open_device *device, bp_error *error);

#endif
