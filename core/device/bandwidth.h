/* How fast a device reads its memory: the floor of every token's time. */
#ifndef BP_DEVICE_BANDWIDTH_H
#define BP_DEVICE_BANDWIDTH_H

#include "core/device/plugin.h"

/* Bytes a second, the best of a few passes over far more than caches hold: on host memory by loops of the engine's own with
 * that many threads, elsewhere by the device's REDUCE op over a large buffer. 0 where it cannot be measured. */
double bp_device_bandwidth(const bp_open_device *device, uint32_t threads);

#endif
