#!/usr/bin/env python3
"""The house has an order: every #include is an arrow of the table below, and a backend exports one symbol.

Usage: test_structure.py BUILD_DIR"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = {  # what a part of core may include beside itself and the public headers
    "base": set(),
    "config": {"base"},
    "gguf": {"base"},
    "quant": {"base", "gguf"},
    "text": {"base", "gguf"},
    "graph": {"base", "quant"},
    "device": {"base", "config", "graph"},
    "conformance": {"base", "config", "quant", "graph", "device"},
    "model": {"base", "gguf", "quant", "graph"},
    "run": {"base", "config", "gguf", "quant", "text", "graph", "device", "model"},
    "serve": {"base", "config", "gguf", "quant", "text", "graph", "device", "model", "run"},
}
SOURCES = (".c", ".h", ".cu", ".cuh", ".cpp", ".hpp", ".def", ".inc")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
PLUGIN_SYMBOL = "bp_backend_query_v1"

passed = failed = 0


def check(good, words):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAILED: " + words)


def sources(top):
    for folder, _, names in os.walk(os.path.join(ROOT, top)):
        for name in sorted(names):
            if name.endswith(SOURCES):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


def target(source, included):
    """The included file's path in the tree, as the compiler's search finds it; None where there is none."""
    beside = os.path.normpath(os.path.join(os.path.dirname(source), included))
    for path in (beside, os.path.normpath(included), os.path.normpath(os.path.join("include", included))):
        if os.path.isfile(os.path.join(ROOT, path)):
            return path
    return None


def allowed(source, path):
    here, there = source.split(os.sep), path.split(os.sep)
    if there[0] == "include":
        return True
    if here[0] == "core" and there[0] == "core":
        return here[1] == there[1] or there[1] in CORE.get(here[1], set())
    if here[0] in ("backends", "plugins"):
        return here[:2] == there[:2]
    return here[0] == "bin" and there[0] in ("bin", "core")


def check_includes(top):
    for source in sources(top):
        with open(os.path.join(ROOT, source), encoding="utf-8") as file:
            text = file.read()
        for included in INCLUDE.findall(text):
            path = target(source, included)
            if path is None:
                check(False, f'{source}: "{included}" is in no folder of the tree')
            else:
                check(allowed(source, path), f"{source} may not include {path}")


def check_names():
    seen = {}
    for top in ("core", "backends", "plugins", "bin", "include"):
        for source in sources(top):
            name = os.path.basename(source)
            check(name not in seen, f"{source} has the name of {seen.get(name)}")
            seen[name] = source


def check_exports(build):
    backends = sorted(glob.glob(os.path.join(build, "backends", "*.so")))
    check(backends, f"{build} has no backends/*.so")
    for path in backends:
        done = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=False)
        names = [line.split()[-1] for line in done.stdout.splitlines() if line.strip()]
        if any(name.startswith(("__asan", "__ubsan", "__odr_asan")) for name in names):
            continue  # a build with sanitizers exports their symbols as well
        check(done.returncode == 0 and names == [PLUGIN_SYMBOL], f"{path} exports {names or 'nothing'}")


def check_rules():
    """The rules themselves refuse what they should."""
    bad = [("core/base/a.c", "core/config/config.h"), ("core/device/a.c", "core/run/x.h"),
           ("core/gguf/a.c", "core/quant/x.h"), ("backends/cpu/a.c", "core/base/fail.h"),
           ("backends/cpu/a.c", "backends/cuda/x.h"), ("plugins/reference/a.c", "backends/cpu/x.h"),
           ("bin/a.c", "backends/cpu/x.h"),
           ("include/backplane/a.h", "core/base/x.h")]
    for source, path in bad:
        check(not allowed(source, path), f"the rules let {source} include {path}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    check_rules()
    for top in ("core", "backends", "plugins", "bin", "include"):
        check_includes(top)
    check_names()
    check_exports(sys.argv[1])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
