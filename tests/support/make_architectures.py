"""docs/architectures.md, made from the list of architectures and from what llm-info says of each tiny model.

usage: make_architectures.py BUILD [--check]: write it, or exit with 1 where it is not what would be written."""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "architectures.md")
TESTS = {"golden": "test_golden", "peer": "test_golden", "recurrent": "test_recurrent", "embed": "test_embed", "peer_embed": "test_embed"}
HEAD = """# Architectures
Made by `tests/support/make_architectures.py BUILD`; do not edit. The names are those of the key `general.architecture`. What a graph is
made of is said of the tiny models in `tests/fixtures`, whose logits (or embeddings) are compared with transformers or llama.cpp on the
reference plugin and on cpu.so; where there are several, what differs follows their names. Tensors that an architecture does not use are named by `--verbose`.

| architecture | source | features | tested by |
| --- | --- | --- | --- |
"""


def sources():
    """Architecture -> the file in core/model/arch that reads it."""
    functions = {}
    for path in glob.glob(os.path.join(ROOT, "core", "model", "arch", "*.c")):
        with open(path, encoding="utf-8") as file:
            for name in re.findall(r"^void (bp_read_\w+)\(", file.read(), re.MULTILINE):
                functions[name] = os.path.basename(path)
    with open(os.path.join(ROOT, "core", "model", "architectures.def"), encoding="utf-8") as file:
        listed = re.findall(r'^BP_ARCHITECTURE\("([^"]+)", (\w+),', file.read(), re.MULTILINE)
    return {name: functions[function] for name, function in listed}


def features(build, path):
    words = [os.path.join(build, "bin", "llm-info"), "-m", path, "--features"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    name, rest = done.stdout.strip().split(": ", 1)
    return name, rest.split(", ")


def page(build):
    found = {}
    for folder, test in TESTS.items():
        for path in sorted(glob.glob(os.path.join(ROOT, "tests", "fixtures", folder, "*.gguf"))):
            name, list_ = features(build, path)
            found.setdefault(name, []).append((os.path.basename(path)[:-5], test, list_))
    rows = []
    for name, source in sorted(sources().items()):
        models = found.get(name, [])
        common = [f for f in models[0][2] if all(f in m[2] for m in models)] if models else []
        words = ", ".join(common)
        for model, _, list_ in models:
            own = [f for f in list_ if f not in common]
            words += f"; {model}: {', '.join(own)}" if own else ""
        tested = "; ".join(f"{test} ({', '.join(m[0] for m in models if m[1] == test)})" for test in sorted({m[1] for m in models}))
        rows.append(f"| {name} | `{source}` | {words or '–'} | {tested or 'no model of it'} |")
    return HEAD + "\n".join(rows) + "\n"


def main():
    text = page(sys.argv[1])
    if "--check" not in sys.argv:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text)
        return 0
    with open(PAGE, encoding="utf-8") as file:
        return 0 if file.read() == text else 1


if __name__ == "__main__":
    sys.exit(main())
