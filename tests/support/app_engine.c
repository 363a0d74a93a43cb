/* An application that knows the installed headers and libbackplane alone: continues a text, then forks it.
 *     app_engine MODEL "TEXT" [FLAGS…] */
#include <stdio.h>
#include <string.h>

#include <backplane/engine.h>

static int32_t print_token(void *self, const bp_engine_token *token) {
    (void)self;
    fwrite(token->text, 1, token->n_bytes, stdout);
    return 0;
}

static int fail(const bp_error *error) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
}

int main(int argc, char **argv) {
    const char *flags[32] = { "-m", argv[1], "--sequences", "2" };
    uint32_t n_flags = 4;
    bp_engine *engine;
    bp_error error = BP_ERROR_INIT;
    if (argc < 3) return 2;
    for (int i = 3; i < argc && n_flags < 32; i++) flags[n_flags++] = argv[i];
    if (bp_engine_open(flags, n_flags, &engine, &error)) return fail(&error);
    bp_engine_info info = { .size = sizeof info };
    if (bp_engine_describe(engine, &info, &error)) return fail(&error);
    fprintf(stderr, "%s on %s, %lld tokens of context\n", info.architecture, info.backend, (long long)info.n_context);

    const int32_t *ids;
    const char *text;
    uint64_t n, n_bytes;
    uint32_t end;
    int32_t fork;
    if (bp_engine_tokenize(engine, argv[2], strlen(argv[2]), 0, &ids, &n, &error)) return fail(&error);
    if (bp_engine_generate(engine, 0, ids, n, 8, print_token, NULL, &end, &error)) return fail(&error);
    putchar('\n');
    if (bp_engine_detokenize(engine, ids, n, 0, &text, &n_bytes, &error)) return fail(&error);
    if (n_bytes != strlen(argv[2]) || memcmp(text, argv[2], n_bytes)) return 3;

    /* The same text again in a second sequence, cut back to the prompt's length: the same continuation. */
    const float *logits;
    if (bp_engine_sequence_fork(engine, 0, &fork, &error)) return fail(&error);
    if (bp_engine_sequence_truncate(engine, fork, (int64_t)n - 1, &error)) return fail(&error);
    const bp_engine_entry entry = { fork, 0, ids + n - 1, 1 };
    if (bp_engine_compute(engine, &entry, 1, &logits, &error)) return fail(&error);
    int32_t best = 0;
    for (int32_t i = 1; i < info.n_vocab; i++)
        if (logits[i] > logits[best]) best = i;
    if (bp_engine_detokenize(engine, &best, 1, 0, &text, &n_bytes, &error)) return fail(&error);
    printf("%s\n", text);
    if (bp_engine_compute(engine, NULL, 0, &logits, &error) == BP_OK) return 3;
    bp_engine_sequence_close(engine, fork);
    if (bp_engine_render_chat(engine, "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true}", &text, &n_bytes, NULL,
                              &error))
        return fail(&error);
    fputs(text, stderr);
    bp_engine_close(engine);
    return 0;
}
