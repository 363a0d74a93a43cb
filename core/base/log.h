/* Messages for a person, on stderr. Any thread. */
#ifndef BP_BASE_LOG_H
#define BP_BASE_LOG_H

#include <stdint.h>

#include "backplane/host.h"

/* Show messages up to this level; BP_LOG_WARN at first. */
void bp_log_set_level(int32_t level);
void bp_log(int32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A progress line, redrawn in place, only where stderr is a terminal; done = total ends and erases it. */
void bp_progress(const char *what, uint64_t done, uint64_t total);

#endif
