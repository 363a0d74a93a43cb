"""Tiny models with recurrent state against transformers: in one batch, in chunks, token by token, and what cannot be taken back."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, check, command, cpu_levels, finish, ini, json_of  # noqa: E402

TOLERANCE = 1e-4  # of the logits' standard deviation; transformers and llama.cpp are up to 4.7e-5 apart
CONFIGS = {"reference": ini("[engine]\nbackend = reference\n[model]\ncache_type = f32\n")}
CONFIGS["split between cpu and reference"] = ini(
    "[engine]\nbackend = cpu\n[placement]\ndevices = cpu,reference\nlayers = 1\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
CONFIGS["coarse ops taken apart"] = ini(f"[engine]\nbackend = {BUILD}/test-plugins/fine.so\nfallback = error\n[model]\ncache_type = f32\n")
for level in cpu_levels():
    CONFIGS[f"cpu {level}"] = ini(
        f"[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nisa = {level}\nactivations = f32\nthreads = 1\n")


def compare(name, config, model, case, chunk):
    got = json_of("llm-logits", "--config", config, "-m", model, "--tokens", ",".join(map(str, case["tokens"])), "--all",
                  "--chunk", chunk, "--greedy", len(case["greedy_next"]))
    last = got["logits"][-1]
    worst = max(abs(a - b) for a, b in zip(last, case["logits_last"])) / case["logits_std"]
    check(name + " logits", len(last) == len(case["logits_last"]) and worst <= TOLERANCE, f"off by {worst:.2e}")
    check(name + " argmax", [row.index(max(row)) for row in got["logits"]] == case["logits_argmax"])
    check(name + " greedy", got["greedy"] == case["greedy_next"], f"{got['greedy']} {case['greedy_next']}")


for path in sorted(glob.glob(os.path.join(FIXTURES, "recurrent", "*.gguf"))):
    with open(path[:-5] + ".json", encoding="utf-8") as file:
        wanted = json.load(file)
    for label, settings in CONFIGS.items():
        for index, case in enumerate(wanted["cases"]):
            for chunk in (0, 7, 1):
                whole = label == "reference" or label == list(CONFIGS)[-1]  # the others: one case
                if (len(case["tokens"]) > 1 or chunk == 0) and (whole or (index == 1 and chunk)):
                    compare(f"{os.path.basename(path)} {label} case {index} chunk {chunk}", settings, path, case, chunk)

done = command("llm-logits", "--config", CONFIGS["reference"], "-m", os.path.join(FIXTURES, "recurrent", "mamba.gguf"), "--tokens", "1,2,400")
check("a bad token is refused", done.returncode == 1 and "vocabulary" in done.stderr, done.stderr)
finish()
