#!/usr/bin/env python3
"""Tokenizers trained with Hugging Face tokenizers and SentencePiece, written as GGUF or read from their tokenizer.json,
must give the same ids here, over random Unicode strings. BP_SLOW=1 takes more than 10,000 strings, else fewer.

Usage: test_tokenizer_oracles.py BUILD_DIR"""
import io
import json
import os
import random
import sys
import tempfile
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import engine
from engine import ROOT, check, command

try:
    import gguf  # noqa: F401
    import tokenizers  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing} (python3 -m pip install tokenizers gguf sentencepiece)")
    sys.exit(0)
import assembled_tokenizers as assembled
import vocab_oracles as oracles

SLOW = os.environ.get("BP_SLOW") == "1"
COUNT = 700 if SLOW else 80  # strings a tokenizer
SAMPLES = """Größe naïve façade Ærøskøbing Ünïcödé ЖЖ Привет мир, как дела? Ελληνικά κείμενα είναι εδώ.
你好世界 我想在工作 日本語のテキスト 한국어 텍스트 हिन्दी में लिखा العربية نص עברית ไทย Việt Nam Cửa
I'm you're WE'LL they'D 1234567 3.14159 0x1F fooBar HTTPServer snake_case 'tis e\u0301\u0323 \U0001F680\U0001F468\u200d\U0001F469
"""
ODD = [" ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\u180e", "\u200b", "\u200d",
       "\u0301", "\u0323", "\u093f", "\u0e31", "'s", "'S", "'\u017f", "'ll", "'RE", "'", "\u2019s", "ß", "ẞ", "İ", "ı", "ǅ", "ʰ", "ª", "Ⅷ",
       "½", "²", "٣", "१", "〇", "々", "你", "好", "的", "あ", "ア", "ｱ", "한", "글", "\uac01", "\u1100\u1161", "é", "e\u0301", "ﬁ", "Å",
       "\u212b", "豈", "\U0002f800", "\U0001F600", "\U0001F468\u200d\U0001F469", "\U00010400", "€", "$", "+", "<=", "|", "~", "`", "_", "__",
       "!", "?!", "...", "…", "。", "،", "(", ")", "[", "]", "/", "//", "\\", "#", "\u2581", "\ufeff", "\ufffd", "\u00ad", "\x00", "\x7f",
       "\x1b", "\ue000"]


def corpus():
    texts = [SAMPLES * 4]
    for name in ("README.md", "plugins/README.md", "include/backplane/backend.h", "core/text/bpe.c"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            texts.append(file.read())
    return "\n".join(texts)


CORPUS = corpus()


def piece(rng):
    kind = rng.random()
    if kind < 0.35:
        at = rng.randrange(len(CORPUS))
        return CORPUS[at:at + rng.randrange(1, 24)]
    if kind < 0.8:
        return rng.choice(ODD)
    if kind < 0.9:
        return rng.choice(ODD + list("aZ0 '")) * rng.randrange(1, 9)
    return chr(rng.choice((rng.randrange(0x20, 0x250), rng.randrange(0x370, 0x1200), rng.randrange(0x2000, 0xD7FF),
                           rng.randrange(0xF900, 0xFFF0), rng.randrange(0x1F300, 0x1F700))))


def strings(seed, count, bad=""):
    rng = random.Random(seed)
    made = ["", " ", "a", "a" * 300, " " * 300 + "x", "A" * 200 + "b", "e" + "\u0301" * 40, "1" * 100, "'" * 50]
    while len(made) < count:
        made.append("".join(piece(rng) for _ in range(rng.randrange(1, 14))))
    return ["".join(c for c in text if c not in bad) for text in made]


def compare(name, path, n_vocab, texts, ids_of, same=lambda mine, theirs: mine == theirs):
    """All texts in one call, parted by a control token; the first difference is shown."""
    with tempfile.NamedTemporaryFile("wb", delete=False) as file:
        file.write(oracles.SEPARATOR.join(texts).encode())
    done = command("llm-tokenize", "-m", path, "--ids", "--special", "--no-bos", "-f", file.name)
    os.unlink(file.name)
    if done.returncode:
        check(name, False, done.stderr)
        return
    parts, got = [[]], json.loads(done.stdout)
    for token in got:
        if token == n_vocab:
            parts.append([])
        else:
            parts[-1].append(token)
    wrong = [(text, mine, ids_of(text)) for text, mine in zip(texts, parts) if not same(mine, ids_of(text))]
    check(name, len(parts) == len(texts) and not wrong, f"{len(wrong)} of {len(texts)}; {wrong[:2]}")


def compare_json(name, tokenizer, texts, ids_of=None, flags=3):
    """The same tokenizer, read from its tokenizer.json. flags: of bp_tokenize."""
    path = os.path.join(place, "tokenizer.json")
    tokenizer.save(path)
    done = command("tokenize_batch", path, str(flags), stdin=json.dumps(texts))
    if done.returncode:
        check(name, False, done.stderr)
        return
    wanted = [(ids_of or (lambda text: tokenizer.encode(text, add_special_tokens=flags == 1).ids))(text) for text in texts]
    wrong = [(text, mine, theirs) for text, mine, theirs in zip(texts, json.loads(done.stdout), wanted)
             if theirs is not None and mine != theirs]
    check(f"{name} from tokenizer.json", not wrong, f"{len(wrong)} of {len(texts)}; {wrong[:2]}")


def byte_level(folder):
    for number, pre in enumerate(oracles.STEPS):
        tokenizer = oracles.byte_level(pre, CORPUS)
        path = os.path.join(folder, pre + ".gguf")
        n = oracles.write_byte_level(path, tokenizer, pre)
        compare(pre, path, n, strings(number, COUNT), lambda text, t=tokenizer: t.encode(text).ids)
        compare_json(pre, tokenizer, strings(number, COUNT))


def superwords(folder):
    tokenizer = oracles.superwords(CORPUS)
    path = os.path.join(folder, "superwords.gguf")
    n = oracles.write_byte_level(path, tokenizer, "superbpe")
    compare("tokens of several words", path, n, strings(90, 3 * COUNT), lambda text: tokenizer.encode(text).ids)
    compare_json("tokens of several words", tokenizer, strings(90, COUNT))


def raw(folder):
    tokenizer = oracles.raw_bpe(CORPUS)
    path = os.path.join(folder, "raw.gguf")
    n = oracles.write_raw(path, tokenizer)
    compare("gemma4", path, n, strings(100, COUNT), lambda text: tokenizer.encode(text).ids)
    compare_json("gemma4", tokenizer, strings(100, COUNT))


def word_piece(folder):
    for lower in (True, False):
        tokenizer = oracles.word_piece(CORPUS, lower)
        path = os.path.join(folder, f"wpm{lower}.gguf")
        n = oracles.write_word_piece(path, tokenizer, lower)
        compare(f"WordPiece, lower case: {lower}", path, n, strings(200 + lower, COUNT),
                lambda text, t=tokenizer: t.encode(text, add_special_tokens=False).ids)
        compare_json(f"WordPiece, lower case: {lower}", tokenizer, strings(200 + lower, COUNT))


def sentence_piece(folder):
    try:
        import sentencepiece
    except ImportError:
        print("skipped: SentencePiece (python3 -m pip install sentencepiece)")
        return
    cases = [("bpe", "identity", True, False), ("unigram", "nmt_nfkc", False, True), ("unigram", "nmt_nfkc_cf", True, True),
             ("unigram", "identity", True, False)]
    for kind, rule, fallback, extra in cases:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(oracles.train_words(CORPUS)), model_writer=model, vocab_size=900, model_type=kind,
            normalization_rule_name=rule, byte_fallback=fallback, remove_extra_whitespaces=extra, minloglevel=2,
            character_coverage=0.98, hard_vocab_limit=False)
        path = os.path.join(folder, f"{kind}-{rule}.gguf")
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        n = oracles.write_piece_model(path, processor, model.getvalue(), kind == "unigram", extra)
        # SentencePiece adds scores as floats: of ways to cut that are equally good it may take another.
        same = (lambda mine, theirs: sorted(mine) == sorted(theirs)) if kind == "unigram" else (lambda a, b: a == b)
        compare(f"SentencePiece {kind} {rule}", path, n, strings(300, COUNT, bad="\x00"), processor.encode, same)
        if rule == "nmt_nfkc":
            hugging_face = oracles.unigram(processor, model.getvalue())
            # Hugging Face's charsmap looks at whole graphemes, and its words end at U+0085, against SentencePiece's rules.
            texts = ["".join(c for c in text if c != "\x85" and unicodedata.category(c)[0] != "M" and c < "\U0001f000")
                     for text in strings(400, COUNT, bad="\x00\r\u200d")]
            compare("Unigram", path, n, texts, lambda text: hugging_face.encode(text).ids)
            compare_json("Unigram", hugging_face, strings(400, COUNT))
            pieces = ([(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())],
                      processor.unk_id(), oracles.charsmap_of(model.getvalue()))
            assembled_tokenizers(assembled.Parts(CORPUS, pieces))


def is_old(character):
    """Hugging Face's tables of marks are of an older Unicode."""
    return unicodedata.category(character)[0] != "M" or character in "\u0301\u0323\u093f\u0e31"


def assembled_tokenizers(parts):
    """Parts of tokenizer.json at random: normalizers, pre-tokenizers, models, added tokens with all flags, templates."""
    for seed in range(20 * COUNT // 80):
        rng = random.Random(seed)
        tokenizer, words = assembled.assemble(rng, parts)
        texts = ["".join(filter(is_old, assembled.with_words(rng, text, words))) for text in strings(seed, 40)]
        compare_json(f"assembled {seed}", tokenizer, texts, lambda text, t=tokenizer: assembled.ids_of(t, text), flags=1)


def files(folder):
    """A folder with a tokenizer.json and its configuration; and files that are refused in words."""
    tokenizer = oracles.byte_level("gpt-2", CORPUS)
    tokenizer.add_special_tokens(["<end>"])
    path = os.path.join(folder, "tokenizer.json")
    tokenizer.save(path)
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"eos_token": {"content": "<end>"}}, file)
    text = "The end.<end>"
    check("a folder", engine.json_of("llm-tokenize", "-m", folder, "--ids", "--special", "-p", text) ==
          tokenizer.encode(text).ids)
    with open(path, encoding="utf-8") as file:
        parts = json.load(file)
    wrong = [("two parts are named", {"normalizer": {"type": "Odd"}, "pre_tokenizer": {"type": "UnicodeScripts"}},
              ["Odd", "UnicodeScripts"]),
             ("a pattern is named", {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}},
              ["(a", "parenthes"]),
             ("a kind is named", {"model": {"type": "WordLevel", "vocab": {"a": 0}}}, ["WordLevel"]),
             ("an id is wrong", {"added_tokens": [{"id": -1, "content": "x"}]}, ["added_tokens", "id"]),
             ("no model", {"model": None}, ["model"])]
    for name, change, words in wrong:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**parts, **change}, file)
        done = command("llm-tokenize", "-m", path, "-p", "x")
        check(name, done.returncode == 1 and all(word in done.stderr for word in words), done.stderr)


with tempfile.TemporaryDirectory() as place:
    files(place)
    byte_level(place)
    superwords(place)
    raw(place)
    word_piece(place)
    sentence_piece(place)
if not SLOW:
    print(f"{COUNT} strings a tokenizer; BP_SLOW=1 takes more")
engine.finish()
