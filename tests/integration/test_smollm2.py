"""The default model against transformers: tokens, greedy text, top-20 logits, likelihood."""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import FIXTURES, SMOLLM2, check, command, finish, ini, json_of  # noqa: E402

EXACT = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
FAST = ini("[engine]\nbackend = cpu\n")
with open(os.path.join(FIXTURES, "golden", "smollm2.json"), encoding="utf-8") as stored:
    PROMPTS = json.load(stored)["prompts"]


def nll(rows, tokens):
    total = 0.0
    for row, token in zip(rows, tokens[1:]):
        top = max(row)
        total += top + math.log(math.fsum(math.exp(v - top) for v in row)) - row[token]
    return total / (len(tokens) - 1)


def logits_of(config, prompt):
    got = json_of("llm-logits", "--config", config, "-m", SMOLLM2, "--tokens", ",".join(map(str, prompt["tokens"])), "--all", "--greedy", 32)
    return got["logits"], got["greedy"]


for prompt in PROMPTS:
    name, oracle = prompt["name"], prompt["transformers_f32"]
    ids = json_of("llm-tokenize", "-m", SMOLLM2, "-f", "-", "--special", "--ids", stdin=prompt["prompt"])
    check(f"{name}: tokens", ids == prompt["tokens"], f"{ids[:20]}")
    rows, greedy = logits_of(EXACT, prompt)
    worst = max(abs(rows[-1][token] - value) for token, value in oracle["top20"])
    check(f"{name}: exact top-20 logits", worst <= 1e-3, f"off by {worst:.2e}")
    check(f"{name}: exact greedy tokens", greedy == oracle["greedy_next"], f"{greedy}")
    off = abs(nll(rows, prompt["tokens"]) - oracle["mean_nll"])
    check(f"{name}: exact likelihood", off <= 1e-4, f"off by {off:.2e}")
    rows, _ = logits_of(FAST, prompt)
    rms = math.sqrt(sum((rows[-1][token] - value) ** 2 for token, value in oracle["top20"]) / 20)
    check(f"{name}: 8-bit activations, top-20 logits", round(rms, 4) <= prompt["logits_rms_diff_quantised_vs_f32"],  # stored with four digits
         
          f"RMS {rms:.4f}, llama.cpp {prompt['logits_rms_diff_quantised_vs_f32']}")
    off = abs(nll(rows, prompt["tokens"]) - oracle["mean_nll"])
    check(f"{name}: 8-bit activations, likelihood", off <= 0.02, f"off by {off:.4f}")
    print(f"{name}: 8-bit activations: RMS {rms:.4f} (llama.cpp {prompt['logits_rms_diff_quantised_vs_f32']}), likelihood off by {off:.4f}")

done = command("llm-run", "--config", FAST, "-m", SMOLLM2, "-p", "The capital of France is", "-n", 8)
check("the capital of France", done.returncode == 0 and "Paris" in done.stdout, done.stdout + done.stderr)
finish()
