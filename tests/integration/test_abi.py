"""Plugins of earlier days, built against the headers of their day, run in today's engine."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, check, command, finish, ini, json_of  # noqa: E402

with open(os.path.join(FIXTURES, "golden", "llama.json"), encoding="utf-8") as stored:
    CASE = json.load(stored)["cases"][-1]
MODEL = os.path.join(FIXTURES, "golden", "llama.gguf")
plugins = sorted(glob.glob(os.path.join(BUILD, "test-plugins", "frozen-*.so")))
check("frozen plugins were built", plugins)
for path in plugins:
    name = os.path.basename(path)
    config = ini(f"[engine]\nbackend = {path}\nfallback = allow\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
    plan = command("llm-run", "--config", config, "-m", MODEL, "--explain").stdout
    check(f"{name} computes some nodes itself", "on frozen" in plan and "on cpu" in plan, plan)
    got = json_of("llm-logits", "--config", config, "-m", MODEL, "--tokens", ",".join(map(str, CASE["tokens"])), "--greedy", 16)
    check(f"{name} gives the model's tokens", got["greedy"] == CASE["greedy_next"][:16], str(got["greedy"]))
    checked = json.loads(command("llm-plugin-check", path, "--json").stdout)
    check(f"{name} passes the checks of its ops", checked["executed"] > 20 and not checked["failed"], str(checked)[:500])
    strict = command("llm-run", "--backend", path, "--fallback", "error", "-m", MODEL, "-p", "a", "-n", 1)
    check(f"{name}: fallback = error is an error in words", strict.returncode == 1 and "refuses" in strict.stderr, strict.stderr)
finish()
