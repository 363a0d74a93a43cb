#include "core/device/plugin_tables.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/device/plugin_host.h"

bool bp_plugin_name_valid(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t n = name ? strspn(name, allowed) : 0;
    return n && !name[n] && n < BP_SECTION_NAME;
}

bp_status bp_plugin_check_backend(const char *file, const bp_backend *b, bp_error *error) {
    const char *missing = NULL;
    if (!b) return bp_fail(error, BP_E_REFUSED, "%s: its query gave no backend table", file);
    if (b->size < offsetof(bp_backend, open) + sizeof b->open)
        return bp_fail(error, BP_E_REFUSED, "%s: its backend table says it has %u bytes, too few for interface 1.0",
                       file, (unsigned)b->size);
    if (!b->open) missing = "open";
    if (!b->devices) missing = "devices";
    if (!b->description) missing = "description";
    if (!b->version) missing = "version";
    if (!b->name) missing = "name";
    if (missing) return bp_fail(error, BP_E_REFUSED, "%s: its backend table does not fill '%s'", file, missing);
    if (!bp_plugin_name_valid(b->name))
        return bp_fail(error, BP_E_REFUSED, "%s: its name is not 1 to 63 letters, digits, '-' and '_'", file);
    return BP_OK;
}

bp_status bp_plugin_check_device(const char *backend, const bp_device_api *api, bp_error *error) {
    const char *missing = NULL;
    if (!api) return bp_fail(error, BP_E_REFUSED, "backend %s: it opened a device without a table", backend);
#define BP_REQUIRE(member) \
    if (!missing && !BP_HAS(bp_device_api, api, member)) missing = #member
    BP_REQUIRE(info);
    BP_REQUIRE(close);
    BP_REQUIRE(buffer_new);
    BP_REQUIRE(buffer_free);
    BP_REQUIRE(write);
    BP_REQUIRE(read);
    BP_REQUIRE(layout);
    BP_REQUIRE(pack);
    BP_REQUIRE(assess);
    BP_REQUIRE(compile);
    BP_REQUIRE(program_free);
    BP_REQUIRE(stream_new);
    BP_REQUIRE(stream_free);
    BP_REQUIRE(submit);
    BP_REQUIRE(wait);
#undef BP_REQUIRE
    if (!missing) return BP_OK;
    return bp_fail(error, BP_E_REFUSED, "backend %s: its device table (%u bytes) does not fill '%s', which interface "
                   "1.0 requires", backend, (unsigned)api->size, missing);
}

const char *bp_plugin_words(bp_error *from, bp_status status) {
    from->message[BP_ERROR_TEXT - 1] = 0;
    for (char *c = from->message; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 127) *c = ' ';
    }
    return from->message[0] ? from->message : bp_status_words(status);
}
