"""Chat templates of models over conversations of all kinds: the output of Python's jinja2, or both fail."""
import glob
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from batch import render_all  # noqa: E402
from conversations import all_variables  # noqa: E402
from engine import BUILD, FIXTURES, check, command, finish  # noqa: E402

try:
    import jinja_oracle
except ImportError:
    jinja_oracle = None

PATHS = sorted(glob.glob(os.path.join(FIXTURES, "templates", "*.jinja")))
PATHS += sys.argv[2:]
check("there are templates", PATHS)


def against_jinja2():
    conversations = all_variables()
    for path in PATHS:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        answers = render_all(BUILD, [(text, variables) for _, variables in conversations])
        rendered = 0
        for (name, variables), (out, error) in zip(conversations, answers):
            wanted, failure = jinja_oracle.render(text, variables)
            rendered += wanted is not None
            check(f"{os.path.basename(path)} {name}", out == wanted, f"\n  {out or error!r}\n  {wanted or failure!r}")
        print(f"{os.path.basename(path)}: {len(conversations)} conversations, {rendered} of them rendered")
        check(f"{os.path.basename(path)} renders at least 30", rendered >= 30, rendered)


def the_command():
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"messages": [{"role": "user", "content": "Hé"}], "add_generation_prompt": True, "bos_token": "<bos>"}, file)
    gemma = [p for p in PATHS if "gemma" in p][0]
    done = command("llm-template", "--template", gemma, "--messages", file.name)
    check("llm-template prints the prompt and nothing more",
          done.stdout == "<bos><start_of_turn>user\nHé<end_of_turn>\n<start_of_turn>model\n", repr(done))
    done = command("llm-template", "--template", gemma, "--messages", "-", stdin='{"messages": [{"role": "system"}]}')
    check("a template's own exception", done.returncode == 1 and "System role not supported" in done.stderr
          and "line 1, column" in done.stderr and not done.stdout, repr(done))
    check("no messages is wrong usage", command("llm-template", "--template", gemma).returncode == 2)
    done = command("llm-template", "--template", gemma, "--messages", "-", stdin="[1]")
    check("variables must be an object", done.returncode == 1 and "object" in done.stderr, repr(done))


the_command()
if jinja_oracle:
    against_jinja2()
else:
    print("SKIPPED the comparison with jinja2: it is not installed (pip install jinja2)")
finish()
