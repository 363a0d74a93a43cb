"""The unit tests, the commands on small models and a short run of every fuzzer, built with AddressSanitizer and UBSan.

BP_FUZZ_SECONDS: for each fuzzer (default 5)."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, ROOT, check, finish, ini  # noqa: E402

SKIPPED = 77
SECONDS = os.environ.get("BP_FUZZ_SECONDS", "5")
TREE = os.path.join(BUILD, "sanitized")
CORPORA = {"fuzz_gguf": ["golden/llama_tied.gguf"], "fuzz_model": ["golden/llama4.gguf", "golden/deepseek3.gguf"], "fuzz_tokenizer": ["vocab"],
           "fuzz_tokenizer_json": ["tokenizer/*.json"], "fuzz_grammar": ["grammar/json.gbnf"], "fuzz_schema": ["grammar/person.json"], "fuzz_regex": ["grammar/email.regex"]}


def run(*words, timeout=1200, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", check=False, timeout=timeout, **more)
    return done.returncode, done.stdout[-1500:] + done.stderr[-2500:]


CLANG = shutil.which("clang")
if not CLANG:
    print("skipped: clang is not installed")
    sys.exit(SKIPPED)
environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
# LeakSanitizer cannot look at threads that the OpenMP runtime keeps: one thread, or no look for leaks.
one_thread = {**environment, "LLM_THREADS": "1"}
no_leaks = {**environment, "ASAN_OPTIONS": "detect_leaks=0"}
special = {"test_run": one_thread, "test_states": no_leaks, "test_cpu_backend": no_leaks, "test_short_host": no_leaks}
status, output = run("cmake", "-S", ROOT, "-B", TREE, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DCMAKE_C_COMPILER={CLANG}",
                     "-DBP_SANITIZE=address,undefined", "-DBP_FUZZ=ON")
if not status:
    status, output = run("cmake", "--build", TREE)
check("build", status == 0, output)
for program in sorted(glob.glob(os.path.join(TREE, "bin", "test_*"))) if not status else []:
    status, output = run(program, env=special.get(os.path.basename(program), environment))
    check(os.path.basename(program), status == 0, output)

logits = os.path.join(TREE, "bin", "llm-logits")
for backend in ("reference", "cpu"):
    config = ini(f"[engine]\nbackend = {backend}\n")
    for model in ("llama", "mixtral"):
        path = os.path.join(FIXTURES, "golden", model + ".gguf")
        tokens = ",".join(str(i % 60) for i in range(70))
        status, output = run(logits, "--config", config, "-m", path, "--tokens", tokens, "--all", "--chunk", "30", env=one_thread)
        check(f"{model} on {backend}", status == 0, output)

for program in sorted(glob.glob(os.path.join(TREE, "bin", "fuzz_*"))):
    name = os.path.basename(program)
    with tempfile.TemporaryDirectory() as corpus:
        for pattern in CORPORA.get(name, []):
            for path in filter(os.path.isfile, glob.glob(os.path.join(FIXTURES, pattern))):
                shutil.copy(path, corpus)
        status, output = run(program, f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=4096", corpus, env=environment)
        check(name, status == 0, output)
        print(name, [line for line in output.splitlines() if "DONE" in line or "Done" in line][-1:])
finish()
