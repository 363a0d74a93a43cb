#!/usr/bin/env python3
"""llm-run's sampling flags and log-probabilities on a tiny model.

Usage: test_sampling.py BUILD_DIR"""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import engine
from engine import check, command, json_of

MODEL = os.path.join(engine.FIXTURES, "golden", "llama.gguf")


def run(*flags, n=12):
    done = command("llm-run", "-m", MODEL, "-p", "The rain in", "-n", str(n), "--json", *flags)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4)


def check_logprobs():
    tokens = json_of("llm-tokenize", "-m", MODEL, "--ids", "-p", "The rain in")
    rows = run("--logprobs", "4")
    for row in rows:
        logits = json_of("llm-logits", "-m", MODEL, "--tokens", ",".join(map(str, tokens)))["logits"]
        total = math.log(sum(math.exp(x) for x in logits))
        best = sorted(range(len(logits)), key=lambda i: -logits[i])[:4]
        check("the four likeliest", [t["id"] for t in row["top"]] == best, row)
        check("their log-probabilities", all(close(t["logprob"], logits[t["id"]] - total) for t in row["top"]), row)
        check("that of the choice", close(row["logprob"], logits[row["id"]] - total), row)
        tokens.append(row["id"])
    check("no list unless asked for", all("top" not in row for row in run()))
    check("texts", all(isinstance(t["text"], str) for row in rows for t in row["top"]))


def ids(*flags):
    return [row["id"] for row in run(*flags, n=24)]


def check_few(model, n=16):
    """Texts are chosen from the likeliest tokens that the device finds, --json chooses from all logits: the same choices."""
    for flags in ((), ("--repeat-penalty", "1.3", "--presence-penalty", "0.5"), ("--dry-multiplier", "0.8", "--top-k", "200"),
                  ("--temperature", "0", "--frequency-penalty", "0.4")):
        for seed in ("1", "22"):
            words = ("llm-run", "-m", model, "-p", "The rain in", "-n", str(n), "--temperature", "0.9", "--seed", seed, *flags)
            text, rows = command(*words), command(*words, "--json")
            wanted = "".join(json.loads(line)["text"] for line in rows.stdout.splitlines())
            check(f"{os.path.basename(model)} {flags} seed {seed}", text.returncode == 0 and text.stdout.rstrip("\n") == wanted.rstrip("\n") != "",
                  f"{text.stdout!r} {wanted!r} {text.stderr[-200:]}")


def check_choices():
    hot = ("--temperature", "1.5", "--seed", "11")
    first = ids(*hot)
    check("a seed fixes the text", first == ids(*hot))
    check("another seed, another text", first != ids("--temperature", "1.5", "--seed", "12"))
    greedy = ids()
    check("top-k 1 is greedy", ids(*hot, "--top-k", "1") == greedy)
    check("a token is forbidden", greedy[0] not in ids("--logit-bias", f"{greedy[0]}=-inf"))
    config = engine.ini("[sampling]\ntemperature = 1.5\nseed = 11\nsamplers = temperature;top_k\ntop_k = 1\n"
                        'dry_multiplier = 0.8\ndry_breakers = "\\n", "."\nlogit_bias = "rain"=-2, 5=-inf\n')
    check("an INI file sets them", len(ids("--config", config)) == 24)
    for flags in (("--mirostat", "1"), ("--mirostat", "2"), ("--typical", "0.9"), ("--top-n-sigma", "1"),
                  ("--xtc-probability", "0.5"), ("--dry-multiplier", "1"), ("--dynatemp-range", "0.5"),
                  ("--samplers", "top_k;infill"), ("--penalty-last", "-1", "--repeat-penalty", "1.2")):
        check(f"reproducible with {flags}", ids(*hot, *flags) == ids(*hot, *flags))
    dry = ids("--dry-multiplier", "5", "--dry-allowed-length", "1", "--dry-breakers", "none")
    pairs = list(zip(dry, dry[1:]))
    check("DRY ends repetitions", len(set(pairs)) == len(pairs), dry)


def check_errors():
    for flags, words, status in ((("--samplers", "top_q"), "no step is called 'top_q'", 1), (("--top-p", "2"), "top_p is 2", 1),
                                 (("--logit-bias", "x"), "logit_bias", 1), (("--logprobs", "x"), "--logprobs", 2),
                                 (("--mirostat", "3"), "mirostat is 3", 1)):
        done = command("llm-run", "-m", MODEL, "-p", "a", "--json", *flags)
        check(f"{flags} is refused", done.returncode == status and words in done.stderr, done.stderr)


check_logprobs()
if os.path.exists(engine.SMOLLM2):
    check_few(engine.SMOLLM2)
else:
    print("skipped: the same choices from the likeliest tokens alone (no SmolLM2 here)")
check_choices()
check_errors()
engine.finish()
