"""llm-embed: tiny encoders against transformers (or llama.cpp, fixtures/peer_embed), several texts together, pooling, and what it refuses."""
import glob
import json
import math
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import FIXTURES, check, command, cpu_levels, finish, ini, json_of  # noqa: E402

TOLERANCE = 5e-5  # of the embedding's standard deviation
BERT, LLAMA = os.path.join(FIXTURES, "embed", "bert.gguf"), os.path.join(FIXTURES, "golden", "llama.gguf")
CONFIGS = {"reference": ini("[engine]\nbackend = reference\n")}
for level in cpu_levels():
    CONFIGS[f"cpu {level}"] = ini(f"[engine]\nbackend = cpu\n[backend.cpu]\nisa = {level}\nactivations = f32\n")
REFERENCE = CONFIGS["reference"]


def embed(model, *more, config=REFERENCE, **extra):
    return [item["embedding"] for item in json_of("llm-embed", "--config", config, "-m", model, *more, **extra)["data"]]


def ids(tokens):
    return ",".join(map(str, tokens))


def off(got, wanted):
    return max(abs(a - b) for a, b in zip(got, wanted)) if len(got) == len(wanted) else math.inf


def refused(name, status, words, *call):
    done = command("llm-embed", "--config", REFERENCE, *call)
    lines = done.stderr.strip().split("\n")
    check(name, done.returncode == status and words in lines[-1] and not done.stdout, f"{done.returncode} {done.stderr}")


for path in sorted(glob.glob(os.path.join(FIXTURES, "embed", "*.gguf")) + glob.glob(os.path.join(FIXTURES, "peer_embed", "*.gguf"))):
    with open(path[:-5] + ".json", encoding="utf-8") as file:
        wanted = json.load(file)
    cases, tolerance = wanted["cases"], wanted.get("tolerance", TOLERANCE)
    for text in wanted["tokenizer_cases"]:
        check(f"{os.path.basename(path)} {text['text']!r}", embed(path, "-p", text["text"]) == embed(path, "--tokens", ids(text["tokens"])))
    for label, settings in CONFIGS.items():
        for index, case in enumerate(cases):
            name = f"{os.path.basename(path)} {label} case {index}"
            worst = off(embed(path, "--tokens", ids(case["tokens"]), "--no-normalize", config=settings)[0], case["embedding"]) / case["std"]
            check(name, worst <= tolerance, f"off by {worst:.2e}")
            worst = off(embed(path, "--tokens", ids(case["tokens"]), config=settings)[0], case["embedding_normalized"])
            check(name + " normalized", worst <= max(2e-6, tolerance - TOLERANCE), f"off by {worst:.2e}")

# A file of texts gives what each line gives alone, whatever shares its batch.
gemma = os.path.join(FIXTURES, "embed", "gemma_embedding.gguf")
texts = [f"text number {i} " + "and more of it " * (i % 7) for i in range(20)]
with tempfile.NamedTemporaryFile("w", suffix=".txt") as lines:
    lines.write("\n".join(texts[:10]) + "\r\n\n" + "\n".join(texts[10:]))
    lines.flush()
    together = embed(gemma, "-f", lines.name, config=CONFIGS[label])
alone = [embed(gemma, "-p", text, config=CONFIGS[label])[0] for text in texts]
check("a text a line", len(together) == 20 and max(map(off, together, alone)) <= 1e-6, f"{len(together)}")
check("texts from stdin", embed(gemma, "-f", "-", stdin=texts[3] + "\n") == embed(gemma, "-p", texts[3]))
check("embeddings are of length 1", all(abs(math.fsum(v * v for v in row) - 1) < 1e-6 for row in together))

# Pooling, against the rows of all tokens.
tokens = "5,6,7,8,9"
rows = embed(BERT, "--tokens", tokens, "--pooling", "none", "--no-normalize")[0]
check("no pooling gives a row a token", len(rows) == 5 and len(rows[0]) == 64)
mean = [math.fsum(column) / 5 for column in zip(*rows)]
for kind, wanted in (("cls", rows[0]), ("last", rows[4]), ("mean", mean)):
    check("pooling " + kind, off(embed(BERT, "--tokens", tokens, "--pooling", kind, "--no-normalize")[0], wanted) <= 1e-6)
raw = command("llm-embed", "--config", REFERENCE, "-m", BERT, "--tokens", tokens, "--raw", "--pooling", "none", "--no-normalize").stdout
check("raw numbers, a line a row", [[float(v) for v in line.split(" ")] for line in raw.splitlines()] == rows)

# A decoder: its last token's normed stream, in which all tokens before it count.
last = embed(LLAMA, "--tokens", "1,2,3")[0]
check("a decoder's embedding", len(last) > 1 and last == embed(LLAMA, "--tokens", "1,2,3", "--pooling", "last")[0])
check("looks back", off(last, embed(LLAMA, "--tokens", "4,2,3")[0]) > 1e-3)
rows = embed(LLAMA, "--tokens", "1,2,3", "--pooling", "none")[0]
check("and not ahead", off(rows[1], embed(LLAMA, "--tokens", "1,2,9", "--pooling", "none")[0][1]) == 0)
check("a recurrent one's too", len(embed(os.path.join(FIXTURES, "recurrent", "mamba.gguf"), "--tokens", "1,2,3")[0]) == 32)

refused("too long a text", 1, "257 tokens, but the model has 256 positions", "-m", BERT, "--tokens", ids([5] * 257))
check("the longest text", len(embed(BERT, "--tokens", ids([5] * 256))[0]) == 64)
refused("an empty text", 1, "text 1 is empty", "-m", BERT, "--tokens", "")
refused("no ids", 1, "is not a list of token ids", "-m", BERT, "--tokens", "1,x")
refused("an id outside the vocabulary", 1, "outside the vocabulary", "-m", BERT, "--tokens", "1,400")
refused("an unknown pooling", 1, "none of none, mean, cls, last", "-m", BERT, "--tokens", "1", "--pooling", "sum")
refused("no model", 1, "no model given", "--tokens", "1")
refused("an unknown flag", 2, "--poling", "-m", BERT, "--poling", "cls")
done = command("llm-logits", "--config", REFERENCE, "-m", BERT, "--tokens", "1,2")
check("llm-logits refuses an encoder", done.returncode == 1 and "use llm-embed" in done.stderr and not done.stdout, done.stderr)
done = command("llm-run", "--config", REFERENCE, "-m", gemma, "-p", "Hello", "-n", 1)
check("llm-run refuses an encoder", done.returncode == 1 and "use llm-embed" in done.stderr, done.stderr)
finish()
