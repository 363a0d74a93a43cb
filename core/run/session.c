#include "core/run/session.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"

static bp_status open_model(bp_session *s, bool need_text, bp_error *error) {
    const char *path = bp_config_text(s->config, BP_OPT_MODEL);
    if (!path) return bp_fail(error, BP_E_INVALID, "no model given: use -m MODEL.gguf, or path = … under [model] in an INI file");
    bp_gguf *file;
    bp_status status = bp_gguf_open(path, &file, error);
    if (status) return status;
    status = bp_model_new(file, &s->model, error);
    if (status) {
        bp_gguf_close(file);
        return status;
    }
    return need_text ? bp_tokenizer_new(file, &s->tokenizer, error) : BP_OK;
}

bp_status bp_session_load(bp_config *config, bool need_text, bp_session *out, bp_error *error) {
    *out = (bp_session){ .config = config };
    bp_status status = open_model(out, need_text, error);
    if (status) bp_session_close(out);
    return status;
}

bp_status bp_session_start(bp_session *s, const bp_run_settings *settings, bp_error *error) {
    bp_status status = bp_devices_open(s->config, &s->devices, error);
    if (!status) status = bp_run_new(s->model, s->config, &s->devices, settings, &s->run, error);
    if (status) bp_session_close(s);
    return status;
}

bp_status bp_session_open(bp_config *config, bool need_text, bp_session *out, bp_error *error) {
    bp_run_settings settings;
    *out = (bp_session){ .config = config };
    bp_status status = bp_run_settings_from(config, &settings, error);
    if (!status) status = bp_session_load(config, need_text, out, error);
    return status ? status : bp_session_start(out, &settings, error);
}

void bp_session_close(bp_session *s) {
    bp_run_free(s->run);
    bp_devices_close(&s->devices);
    bp_tokenizer_free(s->tokenizer);
    bp_model_free(s->model);
    *s = (bp_session){ 0 };
}
