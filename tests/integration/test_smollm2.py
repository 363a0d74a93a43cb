"""The default model against transformers: tokens, greedy text, top-20 logits, likelihood.

Through the reference plugin: the short prompts; with BP_SLOW=1 all."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import smollm2_rules as rules  # noqa: E402
from engine import FIXTURES, SMOLLM2, check, command, finish, ini, json_of  # noqa: E402

EXACT = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
REFERENCE = ini("[engine]\nbackend = reference\n[model]\ncache_type = f32\n")
FAST = ini("[engine]\nbackend = cpu\n")
SLOW = os.environ.get("BP_SLOW") == "1"


def obey(label, rule, config, prompt):
    details = []
    for name, holds, detail in rule(json_of, config, SMOLLM2, prompt):
        check(f"{label}: {name}", holds, detail)
        details.append(f"{name} {detail}")
    return ", ".join(details)


for prompt in rules.read_prompts(os.path.join(FIXTURES, "golden", "smollm2.json")):
    label = prompt["name"]
    ids = json_of("llm-tokenize", "-m", SMOLLM2, "-f", "-", "--special", "--ids", stdin=prompt["prompt"])
    check(f"{label}: tokens", ids == prompt["tokens"], f"{ids[:20]}")
    obey(f"{label}, cpu with float activations", rules.exact, EXACT, prompt)
    if SLOW or len(ids) < 40:
        obey(f"{label}, reference", rules.exact, REFERENCE, prompt)
    print(f"{label}: {obey(label, rules.rounded, FAST, prompt)}")

done = command("llm-run", "--config", FAST, "-m", SMOLLM2, "-p", "The capital of France is", "-n", 8)
check("the capital of France", done.returncode == 0 and "Paris" in done.stdout, done.stdout + done.stderr)
finish()
