"""An installed tree works from any prefix: commands, configurations, backends, and the two interfaces with their pkg-config files."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, ROOT, SMOLLM2, check, finish  # noqa: E402


def run(*words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", check=False, timeout=300, **more)


with tempfile.TemporaryDirectory() as top:
    done = run("cmake", "--install", BUILD, "--prefix", os.path.join(top, "first"))
    check("install", done.returncode == 0, done.stderr)
    prefix = os.path.join(top, "moved elsewhere")
    os.rename(os.path.join(top, "first"), prefix)
    model = os.path.join(ROOT, "tests", "fixtures", "golden", "llama.gguf")
    lib = next(folder for folder, _, names in os.walk(prefix) if "libbackplane.so" in names)
    run_ = os.path.join(prefix, "bin", "llm-run")
    done = run(run_, "--config", "cpu.ini", "-m", model, "--explain", cwd=top)
    check("commands find configurations and backends", done.returncode == 0 and "on cpu" in done.stdout, done.stdout + done.stderr)
    done = run(run_, "--list-backends", cwd=top)
    check("backends are listed", "reference 1.0" in done.stdout and "cpu 1.0" in done.stdout, done.stdout)

    pkgconfig = os.path.join(lib, "pkgconfig")
    env = {**os.environ, "PKG_CONFIG_PATH": pkgconfig}
    headers = run("pkg-config", "--cflags", "backplane", env=env).stdout
    check("pkg-config knows the headers", "include" in headers, headers)
    plugin = os.path.join(top, "scales.so")
    source = os.path.join(top, "scales.c")
    with open(os.path.join(ROOT, "plugins", "README.md"), encoding="utf-8") as text:
        code = text.read().split("```c\n")[1].split("```")[0]
    with open(source, "w", encoding="utf-8") as out:
        out.write(code)
    includes = [f"-I{os.path.join(prefix, 'include')}"]
    done = run("cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", *includes, "-o", plugin, source)
    check("the plugin of plugins/README.md compiles", done.returncode == 0, done.stderr)
    done = run(run_, "--backend", plugin, "-m", model, "-p", "a", "-n", "1", "--fallback", "allow")
    check("and loads, the other ops falling back", done.returncode == 0, done.stderr)

    app = os.path.join(top, "app")
    done = run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", *includes, os.path.join(ROOT, "tests", "support", "app_engine.c"), "-o", app,
               f"-L{lib}", "-lbackplane")
    check("an application links", done.returncode == 0, done.stderr)
    done = run(app, SMOLLM2, "The capital of France is", "--backend", "cpu", env={**os.environ, "LD_LIBRARY_PATH": lib}, cwd=top)
    check("an application generates", done.returncode == 0 and "Paris" in done.stdout.splitlines()[0], done.stdout + done.stderr)
    check("a fork continues likewise", done.stdout.splitlines()[-1:] == [" Paris"], done.stdout)
    check("an application renders a chat", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" in done.stderr, done.stderr)
    done = run(app, "/nonexistent.gguf", "x", env={**os.environ, "LD_LIBRARY_PATH": lib}, cwd=top)
    check("an error is a sentence", done.returncode == 1 and "nonexistent.gguf" in done.stderr, done.stderr)
    symbols = run("nm", "-D", "--defined-only", os.path.join(lib, "libbackplane.so")).stdout.splitlines()
    names = {line.split()[-1] for line in symbols}
    check("the library exports its interface alone", names and all(name.startswith("bp_engine_") for name in names), str(names))
    shutil.rmtree(prefix)
finish()
