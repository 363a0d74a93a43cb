/* All that a command needs to compute with a model: configuration, device, model, tokenizer, run. */
#ifndef BP_RUN_SESSION_H
#define BP_RUN_SESSION_H

#include "core/run/run.h"
#include "core/text/tokenizer.h"

typedef struct bp_session {
    bp_config *config; /* the caller's */
    bp_devices devices;
    bp_model *model;
    bp_tokenizer *tokenizer; /* NULL where no text is needed */
    bp_run *run;
} bp_session;

/* The model that the configuration names (need_text: with its tokenizer); then its devices and run. */
bp_status bp_session_load(bp_config *config, bool need_text, bp_session *out, bp_error *error);
bp_status bp_session_start(bp_session *session, const bp_run_settings *settings, bp_error *error);
/* Both, with the configuration's settings. */
bp_status bp_session_open(bp_config *config, bool need_text, bp_session *out, bp_error *error);
void bp_session_close(bp_session *session);

#endif
