"""The default model against transformers: tokens, greedy text, top-20 logits, likelihood.

Through the reference plugin: the short prompts; with BP_SLOW=1 all."""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import FIXTURES, SMOLLM2, check, command, finish, ini, json_of  # noqa: E402

EXACT = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
REFERENCE = ini("[engine]\nbackend = reference\n[model]\ncache_type = f32\n")
FAST = ini("[engine]\nbackend = cpu\n")
SLOW = os.environ.get("BP_SLOW") == "1"
with open(os.path.join(FIXTURES, "golden", "smollm2.json"), encoding="utf-8") as stored:
    PROMPTS = json.load(stored)["prompts"]


def ids_of(prompt):
    return ",".join(map(str, prompt["tokens"]))


def nll(config, prompt):
    return json_of("llm-perplexity", "--config", config, "-m", SMOLLM2, "--tokens", ids_of(prompt), "--json")["mean_nll"]


def logits_of(config, prompt, greedy):
    got = json_of("llm-logits", "--config", config, "-m", SMOLLM2, "--tokens", ids_of(prompt), "--greedy", greedy)
    return got["logits"], got["greedy"]


def check_exact(label, config, prompt):
    """With float activations: what transformers computes from the same weights."""
    oracle = prompt["transformers_f32"]
    last, greedy = logits_of(config, prompt, 32)
    worst = max(abs(last[token] - value) for token, value in oracle["top20"])
    check(f"{label}: top-20 logits", worst <= 1e-3, f"off by {worst:.2e}")
    check(f"{label}: greedy tokens", greedy == oracle["greedy_next"], f"{greedy}")
    off = abs(nll(config, prompt) - oracle["mean_nll"])
    check(f"{label}: likelihood", off <= 1e-4, f"off by {off:.2e}")


for prompt in PROMPTS:
    name, oracle = prompt["name"], prompt["transformers_f32"]
    ids = json_of("llm-tokenize", "-m", SMOLLM2, "-f", "-", "--special", "--ids", stdin=prompt["prompt"])
    check(f"{name}: tokens", ids == prompt["tokens"], f"{ids[:20]}")
    check_exact(f"{name}, cpu with float activations", EXACT, prompt)
    if SLOW or len(ids) < 40:
        check_exact(f"{name}, reference", REFERENCE, prompt)
    last, _ = logits_of(FAST, prompt, 1)
    rms = math.sqrt(sum((last[token] - value) ** 2 for token, value in oracle["top20"]) / 20)
    check(f"{name}: 8-bit activations, top-20 logits", round(rms, 4) <= prompt["logits_rms_diff_quantised_vs_f32"],  # stored with four digits
          f"RMS {rms:.4f}, llama.cpp {prompt['logits_rms_diff_quantised_vs_f32']}")
    off = abs(nll(FAST, prompt) - oracle["mean_nll"])
    check(f"{name}: 8-bit activations, likelihood", off <= 0.02, f"off by {off:.4f}")
    print(f"{name}: 8-bit activations: RMS {rms:.4f} (llama.cpp {prompt['logits_rms_diff_quantised_vs_f32']}), likelihood off by {off:.4f}")

done = command("llm-run", "--config", FAST, "-m", SMOLLM2, "-p", "The capital of France is", "-n", 8)
check("the capital of France", done.returncode == 0 and "Paris" in done.stdout, done.stdout + done.stderr)
finish()
