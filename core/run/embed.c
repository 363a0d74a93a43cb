#include "core/run/embed.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

enum { BATCH = 512 };

bp_status bp_embed_output(const bp_model *model, const char *pooling, bp_run_settings *settings, bp_error *error) {
    static const struct { const char *name; uint32_t kind; } kinds[] = {
        { "none", BP_POOLING_NONE }, { "mean", BP_POOLING_MEAN }, { "cls", BP_POOLING_CLS }, { "last", BP_POOLING_LAST },
    };
    settings->output = (bp_graph_output){ BP_OUTPUT_EMBEDDING, model->pooling, 0 };
    if (!pooling && model->pooling > BP_POOLING_LAST)
        return bp_fail(error, BP_E_UNSUPPORTED, "this model ranks texts (pooling_type %u), it does not embed them; a kind of pooling may be chosen all the same",
                       model->pooling);
    if (!pooling) return BP_OK;
    for (size_t i = 0; i < BP_COUNT(kinds); i++)
        if (!strcmp(pooling, kinds[i].name)) {
            settings->output.pooling = kinds[i].kind;
            return BP_OK;
        }
    return bp_fail(error, BP_E_INVALID, "pooling '%.20s' is none of none, mean, cls, last", pooling);
}

bp_status bp_embed_fit(const bp_model *model, const bp_tokens *texts, size_t n, bp_run_settings *settings, bp_error *error) {
    const int64_t room = model->hp.n_context;
    settings->context = 1;
    for (size_t i = 0; i < n; i++) {
        int64_t length = (int64_t)texts[i].count;
        if (!length) return bp_fail(error, BP_E_INVALID, "text %zu is empty", i + 1);
        if (length > room)
            return bp_fail(error, BP_E_INVALID, "text %zu has %lld tokens, but the model has %lld positions: shorten or split it", i + 1,
                           (long long)length, (long long)room);
        settings->context = BP_MAX(settings->context, length);
    }
    settings->batch = BP_MAX(settings->context, BATCH);
    settings->sequences = (int64_t)BP_MAX(BP_MIN(n, (size_t)BP_TEXTS_AT_ONCE), 1);
    settings->cache_type = BP_TYPE_F32;
    return BP_OK;
}

/* Texts that fit together in a batch; *n: how many of the given. */
static bp_status embed_some(bp_run *run, const bp_run_settings *settings, const int32_t *sequences, size_t n_sequences, const bp_tokens *texts,
                            size_t first, size_t *n, bp_embed_sink *sink, void *self, bp_error *error) {
    bp_batch_entry entries[BP_TEXTS_AT_ONCE];
    const bool each = settings->output.pooling == BP_POOLING_NONE;
    int64_t room = bp_run_batch_size(run);
    size_t k = 0;
    for (; k < n_sequences && k < *n && ((int64_t)texts[k].count <= room || !k); k++) {
        entries[k] = (bp_batch_entry){ sequences[k], texts[k].ids, (int64_t)texts[k].count, true };
        room -= (int64_t)texts[k].count;
    }
    const float *rows;
    bp_status status = bp_run_batch(run, entries, (int64_t)k, &rows, error);
    for (size_t i = 0; !status && i < k; i++) {
        size_t n_rows = each ? texts[i].count : 1;
        status = sink(self, first + i, rows, n_rows, error);
        rows += n_rows * (size_t)bp_run_width(run);
        if (!status) status = bp_run_truncate(run, sequences[i], 0, error);
    }
    *n = k;
    return status;
}

bp_status bp_embed_texts(bp_run *run, const bp_run_settings *settings, const bp_tokens *texts, size_t n, bp_embed_sink *sink, void *self,
                         bp_error *error) {
    int32_t sequences[BP_TEXTS_AT_ONCE] = { BP_SEQUENCE_MAIN };
    size_t open = 1;
    bp_status status = bp_run_truncate(run, BP_SEQUENCE_MAIN, 0, error);
    while (!status && open < BP_TEXTS_AT_ONCE && open < n && (sequences[open] = bp_run_open(run)) >= 0) open++;
    for (size_t at = 0; !status && at < n;) {
        size_t now = n - at;
        status = embed_some(run, settings, sequences, open, texts + at, at, &now, sink, self, error);
        at += now;
    }
    for (size_t i = 1; i < open; i++) bp_run_close(run, sequences[i]);
    return status;
}

bool bp_embed_row(const float *row, int64_t n, bool as_is, double *out) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)row[i] * row[i];
    double by = as_is || sum == 0 ? 1 : 1 / sqrt(sum);
    for (int64_t i = 0; i < n; i++) out[i] = row[i] * by;
    return isfinite(sum);
}
