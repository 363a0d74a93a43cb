"""Tiny models of every decoder architecture against transformers (fixtures/golden) or llama.cpp (fixtures/peer): through the
reference plugin and cpu.so.

A few models go through every level of cpu.so, every placement and every way of feeding; the others through the reference and the
best level. BP_SLOW=1: all models through everything."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, check, cpu_levels, finish, ini, json_of  # noqa: E402

TOLERANCE = 5e-5  # of the logits' standard deviation: rounding of the stored digits 1.3e-5, F32 against F64 0.7e-5
SHARING = {"gemma4_e"}  # layers that read caches of others, which cannot be placed apart
THOROUGH = {"llama_tied", "gpt_oss_mxfp4", "deepseek3"}
SLOW = os.environ.get("BP_SLOW") == "1"
PLACES = {"split between cpu and reference": ini(
    "[engine]\nbackend = cpu\n[placement]\ndevices = cpu,reference\nlayers = 1\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n"),
    "coarse ops taken apart": ini(
        f"[engine]\nbackend = {BUILD}/test-plugins/fine.so\nfallback = error\n[model]\ncache_type = f32\n")}
REFERENCE = ini("[engine]\nbackend = reference\n[model]\ncache_type = f32\n")
LEVELS = {f"cpu {level} repack={repack}": ini(
    f"[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nisa = {level}\nactivations = f32\nrepack = {repack}\n")
    for level in cpu_levels() for repack in ("no", "yes")}
BEST = list(LEVELS)[-1]


def runs(name, cases):
    """What is to be computed: label, settings, case, tokens at a time."""
    everything = [(chunk, i) for i in range(len(cases)) for chunk in (0, 7, 1) if chunk == 0 or len(cases[i]["tokens"]) > 1]
    if SLOW or name in THOROUGH:
        for label, settings in {"reference": REFERENCE, **PLACES, **LEVELS}.items():
            yield from ((label, settings, i, chunk) for chunk, i in everything)
        return
    middle, last = min(1, len(cases) - 1), len(cases) - 1
    yield "reference", REFERENCE, middle, 7
    yield BEST, LEVELS[BEST], 0, 0
    yield BEST, LEVELS[BEST], middle, 1
    yield BEST, LEVELS[BEST], last, 0
    if name in SHARING:
        yield from ((label, PLACES[label], middle, 7) for label in PLACES)


def compare(name, settings, model, case, std, chunk, tolerance):
    context = ["--context", case["n_ctx"]] if "n_ctx" in case else []
    got = json_of("llm-logits", "--config", settings, "-m", model, "--tokens", ",".join(map(str, case["tokens"])), "--all",
                  "--chunk", chunk, "--greedy", len(case["greedy_next"]), *context)
    last = got["logits"][-1]
    worst = max(abs(a - b) for a, b in zip(last, case["logits_last"])) / std
    check(name + " logits", len(last) == len(case["logits_last"]) and worst <= tolerance, f"off by {worst:.2e}")
    check(name + " argmax", [row.index(max(row)) for row in got["logits"]] == case["logits_argmax"])
    check(name + " greedy", got["greedy"] == case["greedy_next"], f"{got['greedy']} {case['greedy_next']}")


for path in sorted(glob.glob(os.path.join(FIXTURES, "golden", "*.gguf")) + glob.glob(os.path.join(FIXTURES, "peer", "*.gguf"))):
    with open(path[:-5] + ".json", encoding="utf-8") as file:
        wanted = json.load(file)
    base = os.path.basename(path)[:-5]
    for label, settings, index, chunk in runs(base, wanted["cases"]):
        case = wanted["cases"][index]
        compare(f"{base} {label} case {index} chunk {chunk}", settings, path, case, case.get("logits_std") or wanted["logits_std"], chunk,
                wanted.get("tolerance", TOLERANCE))
if not SLOW:
    print(f"all ways for {', '.join(sorted(THOROUGH))}; BP_SLOW=1 takes all ways for the others too")
finish()
