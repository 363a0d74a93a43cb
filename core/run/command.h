/* What every command's main has in common. */
#ifndef BP_RUN_COMMAND_H
#define BP_RUN_COMMAND_H

#include "core/config/config.h"

/* What bp_command_usage returns: the command was called wrongly. No value of bp_status. */
enum { BP_WRONG_USAGE = 1000 };

/* The command itself: 0, a bp_status with its error, or BP_WRONG_USAGE. own: as given to bp_command_main, values filled. */
typedef bp_status bp_command_fn(bp_config *config, const bp_own_flag *own, bp_error *error);

/* Read the arguments, answer --help and --print-config, else run the command; print a failure as one line on stderr.
 * The exit status: 0 done, 1 failed, 2 wrong usage. */
int bp_command_main(int argc, char **argv, const char *summary, bp_own_flag *own, uint32_t n_own, bp_command_fn *run);

/* Write the message and return BP_WRONG_USAGE. */
bp_status bp_command_usage(bp_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
