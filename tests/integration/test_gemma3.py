"""Gemma 3 270M (Q4_K_M) against transformers: greedy text, top-20 logits, likelihood. Token ids are fed as they are stored.

BP_SLOW=1 runs it (it fetches 240 MB and takes minutes of CPU); skipped otherwise."""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import CACHE, FIXTURES, check, finish, ini, json_of  # noqa: E402
from fetch_gemma3 import fetch  # noqa: E402

SKIPPED = 77
if os.environ.get("BP_SLOW") != "1":
    print("skipped: BP_SLOW=1 compares Gemma 3 270M with transformers")
    sys.exit(SKIPPED)
MODEL = fetch(CACHE)
if not MODEL:
    print("skipped: Gemma 3 270M could not be fetched")
    sys.exit(SKIPPED)
EXACT = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
FAST = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n")
with open(os.path.join(FIXTURES, "golden", "gemma3_270m.json"), encoding="utf-8") as stored:
    PROMPTS = json.load(stored)["prompts"]


def nll(rows, tokens):
    total = 0.0
    for row, token in zip(rows, tokens[1:]):
        top = max(row)
        total += top + math.log(math.fsum(math.exp(v - top) for v in row)) - row[token]
    return total / (len(tokens) - 1)


def logits_of(config, prompt, *more):
    return json_of("llm-logits", "--config", config, "-m", MODEL, "--tokens", ",".join(map(str, prompt["tokens"])), "--greedy", 32, *more)


ours, theirs = [], []
for prompt in PROMPTS:
    name, oracle = prompt["name"], prompt["transformers_f32"]
    got = logits_of(EXACT, prompt)
    worst = max(abs(got["logits"][token] - value) for token, value in oracle["top20"])
    check(f"{name}: exact top-20 logits", worst <= 1e-3, f"off by {worst:.2e}")
    check(f"{name}: exact greedy tokens", got["greedy"] == oracle["greedy_next"], f"{got['greedy']}")
    off = 0.0
    if len(prompt["tokens"]) < 100:  # all rows of a long prompt are much JSON
        off = abs(nll(logits_of(EXACT, prompt, "--all")["logits"], prompt["tokens"]) - oracle["mean_nll"])
        check(f"{name}: exact likelihood", off <= 1e-4, f"off by {off:.2e}")
    fast = logits_of(FAST, prompt)["logits"]
    rms = math.sqrt(sum((fast[token] - value) ** 2 for token, value in oracle["top20"]) / 20)
    limit = prompt["logits_rms_diff_quantised_vs_f32"]
    check(f"{name}: 8-bit activations near", rms <= 2 * limit, f"RMS {rms:.4f}, llama.cpp {limit}")
    stored = dict(map(tuple, prompt["top20"]))
    for token, value in oracle["top20"]:  # of llama.cpp's logits only its own top 20 are stored
        if token in stored:
            ours.append(fast[token] - value)
            theirs.append(stored[token] - value)
    print(f"{name}: exact off by {worst:.1e}, likelihood {off:.1e}; 8-bit activations: RMS {rms:.4f} (llama.cpp {limit})")

ours, theirs = (math.sqrt(sum(x * x for x in off) / len(off)) for off in (ours, theirs))
check("8-bit activations no further away than llama.cpp's", ours <= theirs, f"RMS {ours:.4f}, llama.cpp {theirs:.4f}")
print(f"8-bit activations, all prompts, the same logits: RMS {ours:.4f}, llama.cpp {theirs:.4f}")
finish()
