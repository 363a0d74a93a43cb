/* Where this program is installed. */
#ifndef BP_BASE_OWN_FOLDER_H
#define BP_BASE_OWN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* The folder of the file that holds this code: libbackplane.so where an application has loaded it, else the executable.
 * An absolute path; false where it cannot be told. */
bool bp_own_folder(char *out, size_t size);

#endif
