"""Tokenizers put together at random of the parts that tokenizer.json knows, around models that were trained: for reading
them as Hugging Face's tokenizers do."""
import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

import vocab_oracles as oracles

WORDS = ["<mask>", "<a>", "the", "ab", " x", "<|x|>", "é", "  ", "\n\n", "[M]", "Привет", "e\u0301", "1"]
OWN = ("nfc", oracles.GPT2, oracles.DIGITS, "punctuation", "punctuation_alone", "threes")
PATTERNS = sorted({step for steps in oracles.STEPS.values() for step in steps if step not in OWN})
PATTERNS += [r"\w+|[^\w\s]+", r"\d", r"\b", r"[[:alpha:]]+", r"[a-z&&[^aeiou]]+", r"[^\S\n]+", r"^.", r".$", r"\h+",
             r"\p{Hiragana}|\p{^L}", r"(?i:the)|(?<=a)b", r"[[:punct:]]|[\w&&[^x]]", r"a{,2}b|[^[a-f]g]", r"\u00e9|\x41"]


def text_step(rng, charsmap):
    makers = [normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Lowercase,
              normalizers.StripAccents, normalizers.Nmt, lambda: normalizers.Strip(rng.random() < .5, rng.random() < .5),
              lambda: normalizers.Replace(" ", oracles.MARK), lambda: normalizers.Replace(Regex(" {2,}"), " "),
              lambda: normalizers.Replace("``", '"'), lambda: normalizers.Replace(Regex(r"\s+"), oracles.MARK),
              lambda: normalizers.Prepend(oracles.MARK),
              lambda: normalizers.BertNormalizer(rng.random() < .5, rng.random() < .5, rng.choice([None, True, False]),
                                                 rng.random() < .5)]
    if charsmap:
        makers.append(lambda: normalizers.Precompiled(charsmap))
    return rng.choice(makers)()


def cut_step(rng, first):
    """Metaspace "first" only where the text is not normalised: Hugging Face looks at places in the original there."""
    def behavior():
        return rng.choice(["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"])

    def regex():
        return Regex(rng.choice(PATTERNS))
    schemes = ["always", "never"] + ["first"] * first
    return rng.choice([
        pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit, pre_tokenizers.BertPreTokenizer,
        lambda: pre_tokenizers.Digits(rng.random() < .5), lambda: pre_tokenizers.Punctuation(behavior()),
        lambda: pre_tokenizers.Metaspace(prepend_scheme=rng.choice(schemes), split=rng.random() < .7),
        lambda: pre_tokenizers.Split(regex(), behavior()), lambda: pre_tokenizers.Split(regex(), "isolated"),
        lambda: pre_tokenizers.Split(rng.choice([" ", "a", "\n", oracles.MARK]), behavior()),
        lambda: pre_tokenizers.Split(regex(), rng.choice(["removed", "isolated", "contiguous"]), True),
        lambda: pre_tokenizers.CharDelimiterSplit(" "), lambda: pre_tokenizers.FixedLength(rng.randrange(1, 9))])()


def pairs(model):
    return [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]


class Parts:
    """Models of each kind, trained once."""

    def __init__(self, corpus, pieces=None):
        self.byte = json.loads(oracles.byte_level("gpt-2", corpus).to_str())["model"]
        self.raw = json.loads(oracles.raw_bpe(corpus).to_str())["model"]
        self.words = json.loads(oracles.word_piece(corpus, True).to_str())["model"]
        self.kinds = ["byte", "byte", "raw", "words"] + ["unigram"] * bool(pieces)
        self.pieces, self.unknown, self.charsmap = pieces or (None, None, None)

    def model(self, rng, kind):
        whole = rng.random() < .3
        if kind == "byte":
            return models.BPE(self.byte["vocab"], pairs(self.byte), ignore_merges=whole)
        if kind == "words":
            return models.WordPiece(self.words["vocab"], unk_token="[UNK]", max_input_chars_per_word=rng.choice([100, 5]))
        if kind == "unigram":
            return models.Unigram(self.pieces, unk_id=self.unknown, byte_fallback=False)
        vocab, unknown = dict(self.raw["vocab"]), {}
        if rng.random() < .6:
            vocab["<unk>"] = len(vocab)
            unknown = {"unk_token": "<unk>", "fuse_unk": rng.random() < .5}
        return models.BPE(vocab, pairs(self.raw), byte_fallback=rng.random() < .5, ignore_merges=whole, **unknown)


def assemble(rng, parts):
    kind = rng.choice(parts.kinds)
    tokenizer = Tokenizer(parts.model(rng, kind))
    texts = [text_step(rng, parts.charsmap) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if sum(isinstance(step, normalizers.Precompiled) for step in texts) > 1:
        texts = []
    if texts:
        tokenizer.normalizer = texts[0] if len(texts) == 1 and rng.random() < .7 else normalizers.Sequence(texts)
    cuts = [cut_step(rng, not texts) for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))]
    if kind == "byte":
        cuts.append(pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < .3, use_regex=rng.random() < .6))
        cuts += [cut_step(rng, False)] * (rng.random() < .2)
    if cuts:
        tokenizer.pre_tokenizer = cuts[0] if len(cuts) == 1 else pre_tokenizers.Sequence(cuts)
    added = [AddedToken(word, lstrip=rng.random() < .4, rstrip=rng.random() < .4, single_word=rng.random() < .3,
                        normalized=rng.random() < .5) for word in rng.sample(WORDS, rng.choice([0, 2, 4]))]
    # A token that is normalised to nothing matches everywhere.
    added = [token for token in added if not tokenizer.normalizer or not token.normalized or
             tokenizer.normalizer.normalize_str(token.content)]
    tokenizer.add_special_tokens(added[:len(added) // 2])
    tokenizer.add_tokens(added[len(added) // 2:])
    if rng.random() < .5:
        tokenizer.add_special_tokens(["<s>", "</s>"])
        ends = [(word, tokenizer.token_to_id(word)) for word in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return tokenizer, [token.content for token in added]


def with_words(rng, text, words):
    if not words or rng.random() < .3:
        return text
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(["", " ", "  ", "\n"]) + rng.choice(words) + rng.choice(["", " ", "\u3000 ", "a"]) + text[at:]


def ids_of(tokenizer, text):
    """None where Hugging Face's own code fails (added tokens within the white space that others take)."""
    try:
        return tokenizer.encode(text).ids
    except BaseException as error:  # pyo3's panic is no Exception
        if type(error).__name__ != "PanicException":
            raise
        return None
