"""docs/architectures.md is what its script makes; an unknown architecture is refused with the list of known ones; tensors that nothing
reads are named on request."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, ROOT, check, command, finish  # noqa: E402

script = os.path.join(ROOT, "tests", "support", "make_architectures.py")
check("docs/architectures.md is up to date", subprocess.run([sys.executable, script, BUILD, "--check"], check=False).returncode == 0,
      f"run {script} BUILD")
with open(os.path.join(FIXTURES, "golden", "llama_tied.gguf"), "rb") as file:
    data = file.read()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "strange.gguf")
    with open(path, "wb") as file:
        file.write(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lemma", 1))
    done = command("llm-logits", "-m", path, "--tokens", "1")
    check("an unknown architecture is refused with the known ones", done.returncode == 1 and "lemma" in done.stderr and "qwen2" in done.stderr and
          "llama" in done.stderr, done.stderr)
finish()
