"""Tiny models against transformers: through the reference plugin and every level of cpu.so, in one batch, in chunks, token by token."""
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, check, cpu_levels, finish, ini, json_of  # noqa: E402

import json  # noqa: E402

TOLERANCE = 5e-5  # of the logits' standard deviation: rounding of the stored digits 1.3e-5, F32 against F64 0.7e-5
CONFIGS = {"reference": ini("[engine]\nbackend = reference\n[model]\ncache_type = f32\n")}
CONFIGS["split between cpu and reference"] = ini(
    "[engine]\nbackend = cpu\n[placement]\ndevices = cpu,reference\nlayers = 1\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
CONFIGS["coarse ops taken apart"] = ini(
    f"[engine]\nbackend = {BUILD}/test-plugins/fine.so\nfallback = error\n[model]\ncache_type = f32\n")
for level in cpu_levels():
    for repack in ("yes", "no"):
        CONFIGS[f"cpu {level} repack={repack}"] = ini(
            f"[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nisa = {level}\nactivations = f32\nrepack = {repack}\n")


def compare(name, config, model, case, std, chunk, greedy):
    got = json_of("llm-logits", "--config", config, "-m", model, "--tokens", ",".join(map(str, case["tokens"])), "--all",
                  "--chunk", chunk, "--greedy", greedy)
    last = got["logits"][-1]
    worst = max(abs(a - b) for a, b in zip(last, case["logits_last"])) / std
    check(name + " logits", len(last) == len(case["logits_last"]) and worst <= TOLERANCE, f"off by {worst:.2e}")
    check(name + " argmax", [row.index(max(row)) for row in got["logits"]] == case["logits_argmax"])
    check(name + " greedy", got["greedy"] == case["greedy_next"][:greedy], f"{got['greedy']} {case['greedy_next']}")


for path in sorted(glob.glob(os.path.join(FIXTURES, "golden", "*.gguf"))):
    with open(path[:-5] + ".json", encoding="utf-8") as file:
        wanted = json.load(file)
    for label, settings in CONFIGS.items():
        for index, case in enumerate(wanted["cases"]):
            for chunk in (0, 7, 1):
                if len(case["tokens"]) > 1 or chunk == 0:
                    compare(f"{os.path.basename(path)} {label} case {index} chunk {chunk}", settings, path, case,
                            case.get("logits_std") or wanted["logits_std"], chunk, len(case["greedy_next"]))
finish()
