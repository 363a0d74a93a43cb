"""llm-run as its user meets it: wrong usage, bad files, Ctrl-C, memory of a mapped model, start."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, ROOT, SMOLLM2, check, command, finish, ini  # noqa: E402

RUN = os.path.join(BUILD, "bin", "llm-run")
CPU = os.path.join(ROOT, "configs", "cpu.ini")
TINY = os.path.join(FIXTURES, "golden", "llama.gguf")
MB = 1 << 20


def one_line(name, status, words, *call, **more):
    done = command(*call, **more)
    lines = done.stderr.splitlines()
    check(name, done.returncode == status and len(lines) == 1 and all(word in lines[0] for word in words), f"{done.returncode} {done.stderr}")


one_line("an unknown flag is wrong usage", 2, ["--nonsense"], "llm-run", "--nonsense")
one_line("no model is an error", 1, ["-m MODEL"], "llm-run", "-p", "x")
one_line("a missing file is named", 1, ["missing.gguf"], "llm-run", "-m", "missing.gguf", "-p", "x")
one_line("a missing backend is named", 1, ["nowhere", "--plugin-path"], "llm-run", "--backend", "nowhere", "-m", TINY, "-p", "x")
one_line("a text that is too long is told", 1, ["context of 8", "--context"], "llm-run", "-m", TINY, "-c", "8", "-p", "x" * 100)
bad = ini("[engine]\nbackand = cpu\n")
one_line("a wrong key is told with file and line", 2, [bad + ":2", "backand"], "llm-run", "--config", bad, "-m", TINY, "-p", "x")
unread = ini("[engine]\nbackend = cpu\n[backend.cpu]\nspeed = high\n")
one_line("a key that no backend reads is told", 1, ["speed"], "llm-run", "--config", unread, "-m", TINY, "-p", "x")
with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
    with open(TINY, "rb") as whole:
        file.write(whole.read()[:5000])
    file.flush()
    one_line("a file that was cut off is told", 1, [file.name], "llm-run", "-m", file.name, "-p", "x")

done = command("llm-run", "-m", TINY, "--print-config", "--temperature", "0.5")
check("--print-config says where values come from", done.returncode == 0 and "temperature = 0.5 ; --temperature" in done.stdout, done.stdout)
done = command("llm-run", "--config", CPU, "-m", SMOLLM2, "-p", "The capital of France is", "-n", "3", "--json")
rows = [json.loads(line) for line in done.stdout.splitlines()]
check("--json is one object a token", len(rows) == 3 and "Paris" in rows[0]["text"] and rows[0]["logprob"] < 0, done.stdout)

process = subprocess.Popen([RUN, "--config", CPU, "-m", SMOLLM2, "-p", "Once upon a time", "-n", "-1", "--temperature", "1"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
first = process.stdout.read(1)
process.send_signal(signal.SIGINT)
begin = time.monotonic()
rest, errors = process.communicate(timeout=60)
check("Ctrl-C ends a generation cleanly", process.returncode == 0 and rest.endswith(b"\n") and time.monotonic() - begin < 10, f"{process.returncode} {errors}")


def peak_bytes(*words):
    child = subprocess.Popen([RUN, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    check("peak memory: the run succeeds", status == 0)
    return usage.ru_maxrss * 1024


mapped = ini("[engine]\nbackend = cpu\n[model]\ncontext = 512\n[backend.cpu]\nrepack = no\n")
cache = 512 * 30 * 2 * 192 * 2  # tokens, layers, keys and values, their width, bytes of F16
peak = peak_bytes("--config", mapped, "-m", SMOLLM2, "-p", "word " * 400, "-n", "16")
limit = os.path.getsize(SMOLLM2) + cache + 60 * MB
print(f"peak memory of a mapped model: {peak / MB:.0f} MB, file and cache {(limit - 60 * MB) / MB:.0f} MB")
check("a mapped model takes its file, its cache and little more", peak <= limit, f"{peak / MB:.0f} MB")
finish()
