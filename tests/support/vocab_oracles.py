"""Small tokenizers made with Hugging Face tokenizers and SentencePiece, and the GGUF files that say the same."""
import collections
import json

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SEPARATOR = "<|separator|>"  # a control token that parts the texts of one call
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MARK = "\u2581"

# Pre-tokenizer patterns as the models' tokenizer.json files have them.
SPLIT = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPLIT
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TAIL = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"


def cased(tail, digits, upper=UPPER, lower=LOWER, ends=r"[\r\n/]*"):
    return (rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{tail}|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{tail}|{digits}"
            rf"| ?[^\s\p{{L}}\p{{N}}]+{ends}" + SPLIT)


KIMI = r"[\p{Han}]+|" + cased(TAIL, r"\p{N}{1,3}", UPPER[:-1] + r"&&[^\p{Han}]]", LOWER[:-1] + r"&&[^\p{Han}]]",
                              r"[\r\n]*")
DEEPSEEK3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
             r"| ?[\p{P}\p{S}]+[\r\n]*" + SPLIT)
CJK = "[一-龥぀-ゟ゠-ヿ]+"
JAIS2 = WORDS[:WORDS.index(SPLIT)] % r"\p{N}{1,3}" + r"|\s*[\r\n]+" + "".join(
    rf"|\s{{{n}}}(?!\S)" for n in ("512", "256", "128", "64", "32", "16", "8", "4", "1,2")) + r"|\s{1}"
CASED_LETTERS = (  # deepseek-llm's list
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdb"
    "ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943")
GPT2, DIGITS = "gpt2", "digits"
STEPS = {  # tokenizer.ggml.pre: its steps in order
    "gpt-2": [GPT2],
    "mpt": ["nfc", GPT2],
    "smollm": [DIGITS, GPT2],
    "llama-bpe": [WORDS % r"\p{N}{1,3}"],
    "qwen2": ["nfc", WORDS % r"\p{N}"],
    "qwen35": ["nfc", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
               + SPLIT],
    "tekken": [cased("", r"\p{N}")],
    "gpt-4o": [cased(TAIL, r"\p{N}{1,3}")],
    "kimi-k2": [KIMI],
    "tiny_aya": ["nfc", r"\d{1,3}(?=(?:\d{3})*\b)", cased(TAIL, r"\p{N}{1,3}")],
    "deepseek-llm": [r"[\r\n]", rf"\s?[{CASED_LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$",
                     "[一-龥ࠀ-一가-퟿]+", r"\p{N}+"],
    "spark2_5": [r"\p{N}{1,3}", CJK, DEEPSEEK3[:DEEPSEEK3.index("[\\r\\n]*")] + r"|[\r\n]|\s+(?!\S)|\s+", DIGITS],
    "default": ["punctuation_alone", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "minicpm5": [r"\p{N}{1,3}", WORDS % r"\p{N}+"],
    "laguna": [r"[^\n]+|[\n]+", WORDS % r"\p{N}"],
    "chameleon": ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", DIGITS,
                  r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", DIGITS],
    "deepseek-v3": [r"\p{N}{1,3}", CJK, DEEPSEEK3],
    "bloom": [" ?[^(\\s|[.,!?…。，、।۔،])]+"],
    "viking": [" ?[^(\\s|[.,!?…。，、।۔،])]+", DIGITS],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                   r"|\s*[\r\n]|\s+(?!\S)|\s+"],
    "seed-coder": [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + SPLIT],
    "exaone-moe": ["nfc", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                   r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
    "falcon": ["punctuation", GPT2, "[0-9][0-9][0-9]"],
    "jais-2": [JAIS2],
    "superbpe": [r"\p{N}+", "threes"],
}


def train_words(corpus):
    return [line for line in corpus.splitlines() if line]


def step_of(step):
    if step == GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if step == DIGITS:
        return pre_tokenizers.Digits(individual_digits=True)
    if step == "punctuation":
        return pre_tokenizers.Punctuation(behavior="contiguous")
    if step == "punctuation_alone":
        return pre_tokenizers.Split(Regex(r"[\p{P}\$\+<=>\^~\|]+"), "isolated")
    if step == "threes":
        return pre_tokenizers.Split(Regex(r"(?=(\d{3})+(?!\d))"), "merged_with_previous")
    return pre_tokenizers.Split(Regex(step), "isolated")


def byte_level(pre, corpus, size=700):
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre in ("llama-bpe", "tekken", "kimi-k2")))
    steps = list(STEPS[pre])
    if steps[0] == "nfc":
        tokenizer.normalizer = normalizers.NFC()
        steps.pop(0)
    parts = [step_of(step) for step in steps]
    if GPT2 not in steps:
        parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator(train_words(corpus), trainer)
    return tokenizer


def superwords(corpus, count=150):
    """As SuperBPE's second stage: words' tokens that stand side by side most often merge, after all merges within words."""
    words = byte_level("gpt-2", corpus)
    model = json.loads(words.to_str())["model"]
    vocab, merges, pairs = model["vocab"], [tuple(m) for m in map(split_merge, model["merges"])], collections.Counter()
    for line in train_words(corpus):
        tokens = words.encode(line).tokens
        pairs.update((a, b) for a, b in zip(tokens, tokens[1:]) if b.startswith("\u0120"))
    for pair, _ in pairs.most_common(count):
        if pair[0] + pair[1] not in vocab:
            vocab[pair[0] + pair[1]] = len(vocab)
            merges.append(pair)
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [step_of(r"\p{N}+"), step_of("threes"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def split_merge(merge):
    return merge.split(" ") if isinstance(merge, str) else merge


def vocabulary(tokenizer):
    words = tokenizer.get_vocab(with_added_tokens=False)
    return [word for word, _ in sorted(words.items(), key=lambda item: item[1])]


def write(path, model, tokens, types, pre=None, scores=None, merges=None, keys=None):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list([*tokens, SEPARATOR])
    writer.add_token_types([*types, CONTROL])
    if scores is not None:
        writer.add_token_scores([*scores, 0.0])
    if merges is not None:
        writer.add_token_merges(merges)
    for key, value in (keys or {}).items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return len(tokens)


def merges_of(tokenizer):
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def write_byte_level(path, tokenizer, pre):
    tokens = vocabulary(tokenizer)
    return write(path, "gpt2", tokens, [NORMAL] * len(tokens), pre=pre, merges=merges_of(tokenizer))


def raw_bpe(corpus, size=700):
    """As gemma4: no words, spaces are U+2581, bytes stand for unknown characters."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(MARK), "merged_with_next")
    tokenizer.decoder = decoders.ByteFallback()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[f"<0x{i:02X}>" for i in range(256)],
                                  show_progress=False, limit_alphabet=150)
    tokenizer.train_from_iterator(train_words(corpus), trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("\n+"), "isolated")
    return tokenizer


def write_raw(path, tokenizer):
    tokens = vocabulary(tokenizer)
    types = [BYTE if token.startswith("<0x") else NORMAL for token in tokens]
    return write(path, "gemma4", tokens, types, pre="gemma4", merges=merges_of(tokenizer))


def word_piece(corpus, lower, size=700):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
                                        show_progress=False)
    tokenizer.train_from_iterator(train_words(corpus), trainer)
    return tokenizer


def write_word_piece(path, tokenizer, lower):
    tokens = vocabulary(tokenizer)
    types = [CONTROL if token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") else NORMAL for token in tokens]
    texts = [token if kind == CONTROL else token[2:] if token.startswith("##") else MARK + token
             for token, kind in zip(tokens, types)]
    keys = {"tokenizer.ggml.unknown_token_id": 1, "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 3,
            "tokenizer.ggml.normalizer.lowercase": lower}
    return write(path, "bert", texts, types, keys=keys)


def fields(message):
    """(number, value) of each field of a protobuf message; bytes for those with a length."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            value, at = message[at:at + size], at + size
        elif tag & 7 == 0:
            value = varint()
        else:
            size = 4 if tag & 7 == 5 else 8
            value, at = message[at:at + size], at + size
        yield tag >> 3, value


def write_piece_model(path, processor, model, unigram, rules):
    """A SentencePiece model; its charsmap is field 2 of field 3 (normalizer_spec)."""
    ids = range(processor.get_piece_size())
    types = [UNKNOWN if processor.is_unknown(i) else CONTROL if processor.is_control(i) else
             BYTE if processor.is_byte(i) else NORMAL for i in ids]
    spec = dict(fields(dict(fields(model))[3]))
    keys = {"tokenizer.ggml.unknown_token_id": processor.unk_id(), "tokenizer.ggml.add_space_prefix": True,
            "tokenizer.ggml.remove_extra_whitespaces": rules}
    if unigram and spec.get(2):
        keys["tokenizer.ggml.precompiled_charsmap"] = spec[2]
    return write(path, "t5" if unigram else "llama", [processor.id_to_piece(i) for i in ids], types,
                 scores=[processor.get_score(i) for i in ids], keys=keys)


def charsmap_of(model):
    return dict(fields(dict(fields(model))[3]))[2]


def unigram(processor, model):
    """The same model as T5's tokenizer.json has it."""
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=processor.unk_id(), byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap_of(model))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return tokenizer
