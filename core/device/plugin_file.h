/* A plugin's file before it is loaded: who may have written it, and its ELF note. */
#ifndef BP_DEVICE_PLUGIN_FILE_H
#define BP_DEVICE_PLUGIN_FILE_H

#include "backplane/status.h"

/* Refuse (BP_E_REFUSED) unless path, a resolved one, is a regular file that only root or the user can have written:
 * both it and all folders above it are theirs and not writable by others (a sticky folder may be). */
bp_status bp_plugin_file_check(const char *path, bp_error *error);

/* Refuse a file that is no shared object for this machine with a note of this ABI's major version. */
bp_status bp_plugin_note_check(const char *path, bp_error *error);

#endif
