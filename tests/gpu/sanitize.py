"""compute-sanitizer over llm-plugin-check: all ops, in parallel processes that share the cases among them; then over some models,
whose graphs have kernels that take several ops together.

$SANITIZER: what to run, each TOOL or TOOL:N (at most N cases of each kind: op, types, tokens); default DEFAULT.
$SANITIZER_SECONDS: a tool's time; parts that are not finished by then fail it. $SANITIZER_OP: this op alone.
$SANITIZER_MODELS: names of tiny models, and smollm2 (where models/ has it); default MODELS; empty: none."""
import glob
import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

DEFAULT = "memcheck racecheck initcheck"
MODELS = "llama llama4 gemma3 qwen3moe gpt_oss_mxfp4 deepseek3 smollm2"
# Kernels of cuBLASLt, whose asynchronous copies racecheck takes for races.
FOREIGN = re.compile(r"Race reported between \w+ access at (?:nvjet|cublas|cutlass)")
FOUND = 9  # exit status where the tool has found something
SUMMARY = re.compile(r"(?:ERROR SUMMARY: (\d+) errors?|RACECHECK SUMMARY: (\d+) hazards?)")


def find_tool():
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    return tool if os.path.exists(tool) else None


class Part:
    """One process under a tool: a part of the cases, or a model."""

    def __init__(self, here, command, name, words, until):
        self.executed, self.errors, self.foreign, self.trouble, start = 0, 0, 0, None, time.time()
        log = os.path.join(here.out, f"sanitizer_{name}.log")
        call = [*command, "--log-file", log, os.path.join(here.folder, "bin", words[0]), *words[1:]]
        left = until - start
        try:
            if left < 1:
                raise subprocess.TimeoutExpired(call, 0)
            done = subprocess.run(call, capture_output=True, text=True, errors="replace", timeout=left, check=False)
            self.read(done, log)
        except subprocess.TimeoutExpired:
            self.trouble = "not finished"
        self.seconds = time.time() - start

    def read(self, done, log):
        try:
            report = json.loads(done.stdout)
            with open(log, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except (OSError, ValueError):
            self.trouble = (done.stderr or done.stdout)[-150:].strip() or f"exit status {done.returncode}"
            return
        self.executed, found = report.get("executed", 1), SUMMARY.findall(text)
        self.foreign = len(FOREIGN.findall(text))
        self.errors = sum(int(errors or hazards) for errors, hazards in found) - self.foreign
        if report.get("failed"):
            self.trouble = report["failed"][0][:150]
        elif not found:
            self.trouble = "the tool gave no summary"
        elif self.errors or done.returncode not in (0, FOUND if self.foreign else 0):
            self.trouble = f"{self.errors} errors, exit status {done.returncode}: {os.path.basename(log)}"


def tool_command(tool, name):
    return [tool, "--tool", name, "--error-exitcode", str(FOUND), "--print-limit", "100"]


def until():
    return time.time() + float(os.environ.get("SANITIZER_SECONDS", "300"))


def report(here, what, parts, detail, start):
    """One line. parts: name, Part."""
    troubles = [f"{name}: {part.trouble}" for name, part in parts if part.trouble]
    errors, foreign = sum(part.errors for _, part in parts), sum(part.foreign for _, part in parts)
    here.say("sanitizer " + what, bool(parts) and not troubles,
             f"{detail}, {errors} errors{f' ({foreign} more of cuBLASLt itself)' if foreign else ''}, {len(parts) - len(troubles)} of {len(parts)} processes clean, slowest "
             f"{max((part.seconds for _, part in parts), default=0):.0f} s, in all {time.time() - start:.0f} s"
             + "".join(f"; {text}" for text in troubles[:4]))


def run_cases(here, tool, what, config):
    name, _, each = what.partition(":")
    workers, start, end = min(16, os.cpu_count()), time.time(), until()
    n = 2 * workers
    words = ["llm-plugin-check", os.path.join(here.folder, "backends", "cuda.so"), "--json", "--config", config,
             *(["--each", each] if each else []), *(["--op", os.environ["SANITIZER_OP"]] if "SANITIZER_OP" in os.environ else [])]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda k: (f"part {k}", Part(here, tool_command(tool, name), f"{name}_{k}", [*words, "--part", f"{k}/{n}"], end)),
                              range(1, n + 1)))
    executed = sum(part.executed for _, part in parts)
    report(here, name, parts, f"{executed} cases executed ({f'at most {each} of each kind' if each else 'all'})", start)


def find_models(here):
    for name in os.environ.get("SANITIZER_MODELS", MODELS).split():
        tokens = os.path.join(here.folder, "golden", name + ".json")
        files = glob.glob(os.path.join(here.folder, "models", "SmolLM2*.gguf")) if name == "smollm2" else [tokens[:-5] + ".gguf"]
        if not files or not os.path.exists(files[0]) or not os.path.exists(tokens):
            continue
        with open(tokens, encoding="utf-8") as file:
            wanted = json.load(file)
        yield name, files[0], (wanted["prompts"][0] if name == "smollm2" else wanted["cases"][-1])["tokens"]


def run_models(here, tool, what, config):
    """A prompt, then tokens one by one; with the defaults."""
    name, start, end = what.partition(":")[0], time.time(), until()
    models = list(find_models(here))
    if not models:
        return

    def one(model):
        label, path, tokens = model
        words = ["llm-logits", "--config", config, "-m", path, "--tokens", ",".join(map(str, tokens)), "--greedy", "4"]
        return label, Part(here, tool_command(tool, name), f"{name}_{label}", words, end)

    with ThreadPoolExecutor(min(16, os.cpu_count())) as pool:
        parts = list(pool.map(one, models))
    report(here, name + " models", parts, " ".join(label for label, _ in parts), start)


def run(here, config):
    tool = find_tool()
    if not tool:
        here.say("sanitizer", True, "skipped: compute-sanitizer is not installed")
        return
    for what in os.environ.get("SANITIZER", DEFAULT).split():
        run_cases(here, tool, what, config)
        run_models(here, tool, what, config)
