"""Helpers of the integration tests: run the built commands, count checks, end with a summary line."""
import json
import os
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests", "fixtures")
CACHE = os.environ.get("BACKPLANE_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "backplane")
SMOLLM2 = os.path.join(CACHE, "SmolLM2-135M-Instruct.Q4_1.gguf")
_passed, _failed = [], []


def command(*words, stdin="", timeout=600, env=None, errors=None):
    """Run bin/WORDS[0] of the build."""
    call = [os.path.join(BUILD, "bin", words[0]), *map(str, words[1:])]
    return subprocess.run(call, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, errors=errors,
                          env={**os.environ, **(env or {})})


def json_of(*words, **more):
    done = command(*words, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))[:200]}: exit status {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def check(name, holds, detail=""):
    (_passed if holds else _failed).append(name)
    if not holds:
        print(f"FAILED {name} {detail}")


def ini(text):
    """A configuration file that lives as long as the test."""
    file = tempfile.NamedTemporaryFile("w", suffix=".ini", delete=False)
    with file:
        file.write(text)
    return file.name


def cpu_levels():
    """The instruction-set levels that this CPU can run."""
    levels = []
    for level in ("portable", "avx2", "avx512vnni", "amx"):
        config = ini(f"[engine]\nbackend = cpu\n[backend.cpu]\nisa = {level}\n")
        model = os.path.join(FIXTURES, "golden", "llama.gguf")
        if command("llm-logits", "--config", config, "-m", model, "--tokens", "1").returncode == 0:
            levels.append(level)
    return levels


def finish():
    print(f"{len(_passed)} passed, {len(_failed)} failed")
    sys.exit(1 if _failed or not _passed else 0)
