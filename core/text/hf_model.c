/* The model of a tokenizer.json, and what its post-processor puts around a text. */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/hf.h"

enum { DEEPEST = 8, MOST_AROUND = 16 };

/* "a b" or ["a", "b"] */
static bool split_merge(const json_t *merge, bp_gguf_string *left, bp_gguf_string *right) {
    const json_t *a = json_array_get(merge, 0), *b = json_array_get(merge, 1);
    if (json_is_array(merge)) {
        *left = (bp_gguf_string){ json_string_value(a), json_string_length(a) };
        *right = (bp_gguf_string){ json_string_value(b), json_string_length(b) };
        return json_array_size(merge) == 2 && left->data && right->data;
    }
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    if (!space) return false;
    *left = (bp_gguf_string){ text, (uint64_t)(space - text) };
    *right = (bp_gguf_string){ space + 1, json_string_length(merge) - left->size - 1 };
    return true;
}

static void read_merges(bp_hf *h) {
    const json_t *merges = json_object_get(h->model, "merges"), *merge;
    bp_text room = { 0 };
    size_t i;
    if (!json_is_array(merges)) bp_hf_wrong(h, "model.merges: no list");
    else if (!bp_bpe_begin(h->t, json_array_size(merges))) bp_hf_no_memory(h);
    json_array_foreach((json_t *)merges, i, merge) {
        bp_gguf_string left, right;
        if (h->status != BP_OK) break;
        if (!split_merge(merge, &left, &right)) bp_hf_wrong(h, "model.merges[%zu]: not two texts", i);
        else if (!bp_bpe_merge(h->t, left, right, (uint32_t)i, &room)) bp_hf_no_memory(h);
    }
    bp_text_free(&room);
    if (h->status == BP_OK) bp_bpe_finish(h->t);
}

/* <0x00> to <0xFF> stand for bytes, or for nothing but themselves. */
static void set_bytes(bp_tokenizer *t, bool fallback) {
    for (unsigned byte = 0; byte < 256; byte++) {
        int32_t id = t->byte_ids[byte];
        if (!fallback) t->byte_ids[byte] = -1;
        else if (id >= 0 && t->types[id] == BP_TOKEN_NORMAL) t->types[id] = BP_TOKEN_BYTE;
    }
}

static void read_bpe(bp_hf *h) {
    bp_tokenizer *t = h->t;
    bool raw = !h->byte_level || h->byte_pieces;
    t->unknown = bp_hf_id(h, bp_hf_text(h->model, "unk_token"));
    t->fuse_unknown = bp_hf_yes(h->model, "fuse_unk", false);
    t->flags = (raw ? BP_SPLIT_RAW : 0) | (bp_hf_yes(h->model, "ignore_merges", false) ? BP_SPLIT_WHOLE : 0);
    t->byte_characters = h->byte_pieces;
    if (*bp_hf_text(h->model, "continuing_subword_prefix")) bp_hf_missing(h, "model.continuing_subword_prefix");
    if (*bp_hf_text(h->model, "end_of_word_suffix")) bp_hf_missing(h, "model.end_of_word_suffix");
    if (json_number_value(json_object_get(h->model, "dropout")) > 0) bp_hf_missing(h, "model.dropout");
    read_merges(h);
    if (raw) set_bytes(t, bp_hf_yes(h->model, "byte_fallback", false));
    if (raw && !bp_hf_yes(h->model, "byte_fallback", false)) { /* unknown characters vanish, or meet */
        free(t->joined);
        t->joined = NULL;
    }
    h->p->piece = raw ? bp_bpe_raw_piece : bp_bpe_piece;
}

static void read_unigram(bp_hf *h) {
    bp_tokenizer *t = h->t;
    const json_t *unknown = json_object_get(h->model, "unk_id");
    json_int_t id = json_is_integer(unknown) ? json_integer_value(unknown) : -1;
    t->unknown = id >= 0 && id < h->n_vocab ? (int32_t)id : -1;
    t->byte_fallback = bp_hf_yes(h->model, "byte_fallback", false);
    bp_load_bytes(t);
    set_bytes(t, t->byte_fallback);
    if (!bp_ugm_index(t)) bp_hf_no_memory(h);
    h->p->piece = bp_ugm_piece;
}

static void read_word_piece(bp_hf *h) {
    const json_t *longest = json_object_get(h->model, "max_input_chars_per_word");
    json_int_t n = json_is_integer(longest) ? json_integer_value(longest) : BP_WPM_LONGEST_WORD;
    bp_text unknown = { 0 };
    bp_text_format(&unknown, "%s", bp_hf_text(h->model, "unk_token"));
    h->t->unknown = bp_hf_id(h, bp_text_get(&unknown));
    if (h->t->unknown < 0) { /* one of the model's alone: as a word's begin */
        bp_text_clear(&unknown);
        bp_text_format(&unknown, "\xE2\x96\x81%s", bp_hf_text(h->model, "unk_token"));
        h->t->unknown = bp_hf_id(h, bp_text_get(&unknown));
    }
    bp_text_free(&unknown);
    h->t->longest_word = n < 0 ? 0 : (size_t)n;
    h->p->piece = bp_wpm_piece;
}

void bp_hf_read_model(bp_hf *h) {
    h->t->n_model = h->n_vocab;
    bp_find_word_spans(h->t);
    if (h->t->kind == &bp_kind_hf_bpe) read_bpe(h);
    else if (h->t->kind->model[0] == 'U') read_unigram(h);
    else read_word_piece(h);
}

static void add_around(bp_hf *h, bp_tokens *list, json_int_t id) {
    if (id < 0 || id >= h->t->n || list->count == MOST_AROUND)
        bp_hf_wrong(h, "post_processor: an id that is no token, or more than %d tokens", MOST_AROUND);
    else if (!bp_tokens_add(list, (int32_t)id)) bp_hf_no_memory(h);
}

/* "single": special tokens around the text, which is "Sequence". */
static void read_template(bp_hf *h, const json_t *p) {
    const json_t *known = json_object_get(p, "special_tokens"), *item, *id;
    bp_tokens *list = &h->t->begin;
    size_t i, k;
    json_array_foreach((json_t *)json_object_get(p, "single"), i, item) {
        const json_t *special = json_object_get(item, "SpecialToken");
        if (!special && list == &h->t->end) bp_hf_missing(h, "post_processor.single: the text twice");
        if (!special) list = &h->t->end;
        const json_t *token = json_object_get(known, bp_hf_text(special, "id"));
        if (special && !token) bp_hf_wrong(h, "post_processor.single[%zu]: not in special_tokens", i);
        json_array_foreach((json_t *)json_object_get(token, "ids"), k, id)
            add_around(h, list, json_is_integer(id) ? json_integer_value(id) : -1);
    }
}

/* ["[CLS]", 101] and the like. */
static void read_pair(bp_hf *h, bp_tokens *list, const json_t *pair) {
    const json_t *id = json_array_get(pair, 1);
    add_around(h, list, json_is_integer(id) ? json_integer_value(id) : -1);
}

static void read_processor(bp_hf *h, const json_t *p, unsigned depth) {
    const char *type = bp_hf_text(p, "type");
    const json_t *item;
    size_t i;
    if (depth > DEEPEST) bp_hf_wrong(h, "post_processor: a Sequence so deep within others");
    else if (!strcmp(type, "Sequence")) json_array_foreach(json_object_get(p, "processors"), i, item)
        read_processor(h, item, depth + 1);
    else if (!strcmp(type, "TemplateProcessing")) read_template(h, p);
    else if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing")) {
        read_pair(h, &h->t->begin, json_object_get(p, "cls"));
        read_pair(h, &h->t->end, json_object_get(p, "sep"));
    } else if (strcmp(type, "ByteLevel")) bp_hf_missing(h, "post_processor of type \"%.40s\"", type);
}

void bp_hf_read_ends(bp_hf *h) {
    bp_tokenizer *t = h->t;
    const json_t *processor = json_object_get(h->root, "post_processor");
    if (json_is_object(processor)) read_processor(h, processor, 0);
    t->bos = t->begin.count ? t->begin.ids[0] : -1;
    t->eos = t->end.count ? t->end.ids[t->end.count - 1] : -1;
    t->separator = -1;
    bp_find_ends(t);
}
