/* Files: mapped for reading, read whole, and written so that nothing is lost. */
#ifndef BP_BASE_FILE_H
#define BP_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"
#include "core/base/text.h"

typedef struct bp_mapped_file {
    const uint8_t *data; /* read only; NULL where the file is empty */
    uint64_t size;
} bp_mapped_file;

/* Map a whole regular file. Errors name it and say why. */
bp_status bp_file_map(const char *path, bp_mapped_file *out, bp_error *error);
void bp_file_unmap(bp_mapped_file *file);

/* Add all of a file (or of a pipe; "-" is stdin) to text; more than `limit` bytes is BP_E_REFUSED. */
bp_status bp_file_read(const char *path, uint64_t limit, bp_text *text, bp_error *error);

/* Write a file beside its place and rename it there, so that path holds all or nothing of it. */
bp_status bp_file_write(const char *path, const void *data, size_t size, bp_error *error);

#endif
