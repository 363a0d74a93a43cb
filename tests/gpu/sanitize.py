"""compute-sanitizer over llm-plugin-check: all ops, in parallel processes that share the cases among them.

$SANITIZER: what to run, each TOOL or TOOL:N (at most N cases of each kind: op, types, tokens); default DEFAULT.
$SANITIZER_SECONDS: a tool's time; parts that are not finished by then fail it. $SANITIZER_OP: this op alone."""
import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

DEFAULT = "memcheck racecheck:2 initcheck:2"
SUMMARY = re.compile(r"(?:ERROR SUMMARY: (\d+) errors|RACECHECK SUMMARY: (\d+) hazards)")


def find_tool():
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    return tool if os.path.exists(tool) else None


class Part:
    """One process: a part of the cases under a tool."""

    def __init__(self, here, command, name, words, until):
        self.executed, self.passed, self.errors, self.trouble, start = 0, 0, 0, None, time.time()
        log = os.path.join(here.out, f"sanitizer_{name}.log")
        call = [*command, "--log-file", log, os.path.join(here.folder, "bin", "llm-plugin-check"), *words]
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
                found = SUMMARY.findall(file.read())
        except (OSError, ValueError):
            self.trouble = (done.stderr or done.stdout)[-150:].strip() or f"exit status {done.returncode}"
            return
        self.executed, self.passed = report["executed"], report["passed"]
        self.errors = sum(int(errors or hazards) for errors, hazards in found)
        if report["failed"]:
            self.trouble = report["failed"][0][:150]
        elif not found:
            self.trouble = "the tool gave no summary"
        elif done.returncode or self.errors:
            self.trouble = f"{self.errors} errors, exit status {done.returncode}: {os.path.basename(log)}"


def run_tool(here, tool, what, config):
    """One line: cases executed, errors, time."""
    name, _, each = what.partition(":")
    workers = min(16, os.cpu_count())
    parts = 2 * workers
    start = time.time()
    until = start + float(os.environ.get("SANITIZER_SECONDS", "300"))
    command = [tool, "--tool", name, "--error-exitcode", "9", "--print-limit", "5"]
    words = [os.path.join(here.folder, "backends", "cuda.so"), "--json", "--config", config, *(["--each", each] if each else []),
             *(["--op", os.environ["SANITIZER_OP"]] if "SANITIZER_OP" in os.environ else [])]
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(lambda k: Part(here, command, f"{name}_{k}", [*words, "--part", f"{k}/{parts}"], until), range(1, parts + 1)))
    troubles = [f"part {k}: {part.trouble}" for k, part in enumerate(done, 1) if part.trouble]
    executed = sum(part.executed for part in done)
    chosen = f"at most {each} of each kind" if each else "all"
    here.say("sanitizer " + name, executed > 0 and not troubles,
             f"{executed} cases executed ({chosen}), {sum(part.errors for part in done)} errors, {parts - len(troubles)} of {parts} parts clean, "
             f"slowest {max(part.seconds for part in done):.0f} s, in all {time.time() - start:.0f} s"
             + "".join(f"; {text}" for text in troubles[:4]))


def run(here, config):
    tool = find_tool()
    if not tool:
        here.say("sanitizer", True, "skipped: compute-sanitizer is not installed")
        return
    for what in os.environ.get("SANITIZER", DEFAULT).split():
        run_tool(here, tool, what, config)
