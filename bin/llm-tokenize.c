/* llm-tokenize: text to the token ids of a model, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/config/config.h"
#include "core/run/command.h"
#include "core/text/tokenizer.h"

enum { PROMPT, FILE_FLAG, SPECIAL, NO_BOS, IDS, DECODE, N_FLAGS };
enum { TEXT_LIMIT = 1 << 27 };

static bp_own_flag flags[N_FLAGS] = {
    [PROMPT] = { "-p,--prompt", true, "the text", NULL },
    [FILE_FLAG] = { "-f,--file", true, "read the text from a file; - is stdin (the default)", NULL },
    [SPECIAL] = { "--special", false, "parse special tokens in the text, and show them when decoding", NULL },
    [NO_BOS] = { "--no-bos", false, "add no tokens at the begin and end", NULL },
    [IDS] = { "--ids", false, "print one JSON array of ids", NULL },
    [DECODE] = { "--decode", true, "print the text of ids: 1,2,3", NULL },
};

static bp_status decode(const bp_tokenizer *t, bp_error *error) {
    bp_tokens ids = { 0 };
    bp_text text = { 0 };
    bp_status status = bp_tokens_parse("--decode", flags[DECODE].value, &ids, error);
    if (!status) status = bp_detokenize(t, ids.ids, ids.count, flags[SPECIAL].value, &text, error);
    if (!status && text.size) fwrite(text.data, 1, text.size, stdout);
    free(ids.ids);
    bp_text_free(&text);
    return status;
}

static void print_array(const bp_tokens *tokens) {
    putchar('[');
    for (size_t i = 0; i < tokens->count; i++) printf(i ? ", %d" : "%d", tokens->ids[i]);
    puts("]");
}

static bp_status print_table(const bp_tokenizer *t, const bp_tokens *tokens, bp_error *error) {
    bp_text piece = { 0 }, line = { 0 };
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < tokens->count; i++) {
        bp_text_clear(&piece);
        bp_text_clear(&line);
        status = bp_token_bytes(t, tokens->ids[i], true, &piece, error);
        bp_text_json(&line, bp_text_get(&piece), piece.size);
        if (status == BP_OK) printf("%7d  \"%s\"\n", tokens->ids[i], bp_text_get(&line));
    }
    bp_text_free(&piece);
    bp_text_free(&line);
    return status;
}

static bp_status read_text(bp_text *text, bp_error *error) {
    const char *path = flags[FILE_FLAG].value ? flags[FILE_FLAG].value : "-";
    if (!flags[PROMPT].value) return bp_file_read(path, TEXT_LIMIT, text, error);
    bp_text_adds(text, flags[PROMPT].value);
    return text->failed ? bp_fail(error, BP_E_NO_MEMORY, "the prompt: out of memory") : BP_OK;
}

static bp_status encode(const bp_tokenizer *t, bp_error *error) {
    bp_text text = { 0 };
    bp_tokens tokens = { 0 };
    uint32_t how = (flags[SPECIAL].value ? BP_TOKENIZE_SPECIAL : 0) | (flags[NO_BOS].value ? BP_TOKENIZE_NO_BOS : 0);
    bp_status status = read_text(&text, error);
    if (status == BP_OK) status = bp_tokenize(t, bp_text_get(&text), text.size, how, &tokens, error);
    if (status == BP_OK && flags[IDS].value) print_array(&tokens);
    else if (status == BP_OK) status = print_table(t, &tokens, error);
    free(tokens.ids);
    bp_text_free(&text);
    return status;
}

static bp_status work(const char *path, bp_error *error) {
    bp_gguf *file = NULL;
    bp_tokenizer *t = NULL;
    bool json = bp_tokenizer_is_json(path);
    bp_status status = json ? bp_tokenizer_open_json(path, &t, error) : bp_gguf_open(path, &file, error);
    if (status == BP_OK && !json) status = bp_tokenizer_new(file, &t, error);
    if (status == BP_OK) status = flags[DECODE].value ? decode(t, error) : encode(t, error);
    if (status == BP_OK && (fflush(stdout) || ferror(stdout)))
        status = bp_fail(error, BP_E_IO, "cannot write to the standard output");
    bp_tokenizer_free(t);
    if (file) bp_gguf_close(file);
    return status;
}

static bp_status run(bp_config *config, const bp_own_flag *own, bp_error *error) {
    const char *path = bp_config_text(config, BP_OPT_MODEL);
    (void)own;
    return path ? work(path, error) : bp_command_usage(error, "no model given: use -m FILE.gguf, or a tokenizer.json");
}

int main(int argc, char **argv) {
    return bp_command_main(argc, argv, "text to the token ids of a model, and back", flags, N_FLAGS, run);
}
