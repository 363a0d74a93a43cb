/* ELF as far as a note needs it: the file header, program headers and section headers, each read within bounds. */
#include <stdbool.h>
#include <string.h>

#include "backplane/backend.h"
#include "core/base/cursor.h"
#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/device/plugin_file.h"

enum { ELF_TYPE_SHARED = 3, ELF_PROGRAM_NOTE = 4, ELF_SECTION_NOTE = 7, ELF_PROGRAM_SIZE = 56, ELF_SECTION_SIZE = 64 };
#if defined(__x86_64__)
enum { ELF_MACHINE = 62 };
#elif defined(__aarch64__)
enum { ELF_MACHINE = 183 };
#elif defined(__riscv)
enum { ELF_MACHINE = 243 };
#else
enum { ELF_MACHINE = 0 }; /* not checked */
#endif

typedef struct elf_table {
    uint64_t offset, entry_size, count;
} elf_table;

typedef struct elf_header {
    uint64_t type, machine;
    elf_table programs, sections;
} elf_header;

typedef struct note_version {
    uint64_t major, minor;
} note_version;

static bool skip(bp_cursor *c, uint64_t n) { return bp_cursor_take(c, n) != NULL; }

static bool read_header(const bp_mapped_file *file, elf_header *h) {
    static const uint8_t magic[6] = { 0x7f, 'E', 'L', 'F', 2, 1 }; /* 64 bits, little endian */
    bp_cursor c = { file->data, 0, file->size, false };
    const uint8_t *ident = bp_cursor_take(&c, 16);
    if (!ident || memcmp(ident, magic, sizeof magic)) return false;
    return bp_cursor_number(&c, 2, &h->type) && bp_cursor_number(&c, 2, &h->machine) && skip(&c, 12) &&
           bp_cursor_number(&c, 8, &h->programs.offset) && bp_cursor_number(&c, 8, &h->sections.offset) &&
           skip(&c, 6) &&
           bp_cursor_number(&c, 2, &h->programs.entry_size) && bp_cursor_number(&c, 2, &h->programs.count) &&
           bp_cursor_number(&c, 2, &h->sections.entry_size) && bp_cursor_number(&c, 2, &h->sections.count);
}

/* A cursor over bytes [offset, offset + size) of the file; false where they are not all there. */
static bool piece(const bp_mapped_file *file, uint64_t offset, uint64_t size, bp_cursor *out) {
    if (offset > file->size || size > file->size - offset) return false;
    *out = (bp_cursor){ file->data + offset, 0, size, false };
    return true;
}

static bool entry(const bp_mapped_file *file, const elf_table *table, uint64_t i, uint64_t least, bp_cursor *out) {
    if (table->entry_size < least || table->offset > file->size) return false;
    return piece(file, table->offset + i * table->entry_size, least, out); /* both factors have 16 bits */
}

/* Notes are padded to 4 bytes, in segments aligned to 8 to 8. */
static bool skip_padded(bp_cursor *c, uint64_t size, uint64_t align, const uint8_t **data) {
    *data = bp_cursor_take(c, size);
    if (!*data) return false;
    uint64_t padding = (align - c->at % align) % align;
    return skip(c, padding < bp_cursor_left(c) ? padding : bp_cursor_left(c));
}

static bool is_ours(const uint8_t *name, uint64_t name_size, uint64_t desc_size, uint64_t type) {
    return type == BP_NOTE_TYPE && name_size == sizeof BP_NOTE_NAME && desc_size >= 8 &&
           !memcmp(name, BP_NOTE_NAME, sizeof BP_NOTE_NAME);
}

static bool find_in_notes(bp_cursor c, uint64_t align, note_version *out) {
    uint64_t name_size, desc_size, type;
    const uint8_t *name, *desc;
    while (bp_cursor_number(&c, 4, &name_size) && bp_cursor_number(&c, 4, &desc_size) &&
           bp_cursor_number(&c, 4, &type)) {
        if (!skip_padded(&c, name_size, align, &name) || !skip_padded(&c, desc_size, align, &desc)) return false;
        if (!is_ours(name, name_size, desc_size, type)) continue;
        bp_cursor numbers = { desc, 0, 8, false };
        return bp_cursor_number(&numbers, 4, &out->major) && bp_cursor_number(&numbers, 4, &out->minor);
    }
    return false;
}

static bool find_in_programs(const bp_mapped_file *file, const elf_header *h, note_version *out) {
    for (uint64_t i = 0; i < h->programs.count; i++) {
        bp_cursor c, notes;
        uint64_t type, offset, size, align;
        if (!entry(file, &h->programs, i, ELF_PROGRAM_SIZE, &c)) return false;
        if (!bp_cursor_number(&c, 4, &type) || type != ELF_PROGRAM_NOTE) continue;
        if (!skip(&c, 4) || !bp_cursor_number(&c, 8, &offset)) continue;
        if (!skip(&c, 16) || !bp_cursor_number(&c, 8, &size)) continue;
        if (!skip(&c, 8) || !bp_cursor_number(&c, 8, &align) || !piece(file, offset, size, &notes)) continue;
        if (find_in_notes(notes, align == 8 ? 8 : 4, out)) return true;
    }
    return false;
}

static bool find_in_sections(const bp_mapped_file *file, const elf_header *h, note_version *out) {
    for (uint64_t i = 0; i < h->sections.count; i++) {
        bp_cursor c, notes;
        uint64_t type, offset, size, align;
        if (!entry(file, &h->sections, i, ELF_SECTION_SIZE, &c)) return false;
        if (!skip(&c, 4) || !bp_cursor_number(&c, 4, &type) || type != ELF_SECTION_NOTE) continue;
        if (!skip(&c, 16) || !bp_cursor_number(&c, 8, &offset) || !bp_cursor_number(&c, 8, &size)) continue;
        if (!skip(&c, 8) || !bp_cursor_number(&c, 8, &align) || !piece(file, offset, size, &notes)) continue;
        if (find_in_notes(notes, align == 8 ? 8 : 4, out)) return true;
    }
    return false;
}

static bp_status check_mapped(const char *path, const bp_mapped_file *file, bp_error *error) {
    elf_header h;
    note_version found;
    if (!read_header(file, &h))
        return bp_fail(error, BP_E_REFUSED, "%s is not a shared object (64-bit little-endian ELF): not loaded", path);
    if (h.type != ELF_TYPE_SHARED)
        return bp_fail(error, BP_E_REFUSED, "%s is an ELF file but no shared object: not loaded", path);
    if (ELF_MACHINE != 0 && h.machine != ELF_MACHINE)
        return bp_fail(error, BP_E_REFUSED, "%s is for another kind of machine (ELF number %u, this one is %u): "
                       "not loaded", path, (unsigned)h.machine, (unsigned)ELF_MACHINE);
    if (!find_in_programs(file, &h, &found) && !find_in_sections(file, &h, &found))
        return bp_fail(error, BP_E_REFUSED, "%s is no backend: it has no Backplane note (BP_PLUGIN_NOTE): not loaded",
                       path);
    if (found.major != BP_ABI_MAJOR)
        return bp_fail(error, BP_E_REFUSED, "%s was made for version %u.%u of the backend interface, this engine "
                       "has %u.%u: build it against these headers", path, (unsigned)found.major,
                       (unsigned)found.minor, BP_ABI_MAJOR, BP_ABI_MINOR);
    return BP_OK;
}

bp_status bp_plugin_note_check(const char *path, bp_error *error) {
    bp_mapped_file file = { 0 };
    bp_status status = bp_file_map(path, &file, error);
    if (!status) status = check_mapped(path, &file, error);
    bp_file_unmap(&file);
    return status;
}
