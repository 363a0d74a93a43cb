#include "core/device/cancel.h"

#include <stdatomic.h>

static atomic_int cancel_wanted;

void bp_cancel_set(int wanted) { atomic_store(&cancel_wanted, wanted != 0); }

int bp_cancel_wanted(void) { return atomic_load(&cancel_wanted); }
