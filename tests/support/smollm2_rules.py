"""What the default model must compute on any backend, against transformers (golden/smollm2.json).

A backend is given as `compute(command, config, *words)`: run a command, its JSON as answer."""
import json
import math

EXACT_LOGITS, EXACT_LIKELIHOOD, ROUNDED_LIKELIHOOD = 1e-3, 1e-4, 0.02


def read_prompts(path):
    with open(path, encoding="utf-8") as stored:
        return json.load(stored)["prompts"]


def ids_of(prompt):
    return ",".join(map(str, prompt["tokens"]))


def likelihood_off(compute, config, model, prompt):
    got = compute("llm-perplexity", "--config", config, "-m", model, "--tokens", ids_of(prompt), "--json")["mean_nll"]
    return abs(got - prompt["transformers_f32"]["mean_nll"])


def exact(compute, config, model, prompt):
    """With float activations and cache: what transformers computes from the same weights. Yields name, whether it holds, detail."""
    oracle = prompt["transformers_f32"]
    got = compute("llm-logits", "--config", config, "-m", model, "--tokens", ids_of(prompt), "--greedy", 32)
    worst = max(abs(got["logits"][token] - value) for token, value in oracle["top20"])
    yield "top-20 logits", worst <= EXACT_LOGITS, f"off by {worst:.2e}"
    yield "greedy tokens", got["greedy"] == oracle["greedy_next"], f"{len(got['greedy'])} compared"
    off = likelihood_off(compute, config, model, prompt)
    yield "likelihood", off <= EXACT_LIKELIHOOD, f"off by {off:.2e}"


def rounded(compute, config, model, prompt):
    """With the defaults: no further from transformers than llama.cpp is with its 8-bit activations."""
    oracle, limit = prompt["transformers_f32"], prompt["logits_rms_diff_quantised_vs_f32"]
    last = compute("llm-logits", "--config", config, "-m", model, "--tokens", ids_of(prompt))["logits"]
    rms = math.sqrt(sum((last[token] - value) ** 2 for token, value in oracle["top20"]) / len(oracle["top20"]))
    yield "8-bit activations, top-20 logits", round(rms, 4) <= limit, f"RMS {rms:.4f}, llama.cpp {limit}"  # stored with four digits
    off = likelihood_off(compute, config, model, prompt)
    yield "8-bit activations, likelihood", off <= ROUNDED_LIKELIHOOD, f"off by {off:.4f}"
