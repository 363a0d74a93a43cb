"""Chat templates of models over conversations of all kinds: the output of Python's jinja2, or both fail."""
import glob
import json
import os
import struct
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
            raised = (failure or "").removeprefix("TemplateError: ")[:200]  # what raise_exception was given
            check(f"{os.path.basename(path)} {name}: its words", not (failure or "").startswith("TemplateError") or raised in error, f"{error} {raised}")
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


def gguf(values):
    """A GGUF file without tensors, whose values are texts, lists of texts and 32-bit numbers."""
    def text(value):
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    def value_of(value):
        if isinstance(value, str):
            return struct.pack("<I", 8) + text(value)
        if isinstance(value, list):
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
        return struct.pack("<II", 4, value)
    file = tempfile.NamedTemporaryFile("wb", suffix=".gguf", delete=False)
    with file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(text(k) + value_of(v) for k, v in values.items()))
    return file.name


def templates_of_models():
    model = {"general.architecture": "llama", "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>"], "tokenizer.ggml.bos_token_id": 1,
             "tokenizer.ggml.eos_token_id": 2, "tokenizer.chat_template": "{{ bos_token }}{% for m in messages %}[{{ m.content }}]{{ eos_token }}{% endfor %}",
             "tokenizer.chat_template.tool_use": "{{ tools | tojson }}", "tokenizer.chat_template.bad": "a\n{{ 1 +"}
    chat, tools = '{"messages": [{"content": "Hé"}, {"content": ""}]}', '{"messages": [], "tools": [{"a": "<é>"}]}'
    path = gguf(model)
    done = command("llm-template", "-m", path, "--messages", "-", stdin=chat)
    check("-m: the model's template and tokens", done.stdout == "<s>[Hé]</s>[]</s>" and not done.returncode, repr(done))
    done = command("llm-template", "-m", path, "--messages", "-", stdin=chat[:-1] + ', "bos_token": "", "eos_token": "!"}')
    check("-m: tokens that are given count", done.stdout == "[Hé]![]!", repr(done))
    done = command("llm-template", "-m", path, "--template-name", "tool_use", "--messages", "-", stdin=tools)
    check("-m --template-name", done.stdout == '[{"a": "<é>"}]', repr(done))
    done = command("llm-template", "-m", path, "--template-name", "bad", "--messages", "-", stdin=tools)
    check("-m: an error in the template names file, key and line", done.returncode == 1 and path in done.stderr
          and "tokenizer.chat_template.bad" in done.stderr and "line 2, column" in done.stderr and not done.stdout, repr(done))
    done = command("llm-template", "-m", path, "--template-name", "rag", "--messages", "-", stdin=tools)
    check("-m: a name that is not there", done.returncode == 1 and "no tokenizer.chat_template.rag" in done.stderr, repr(done))
    bare = gguf({k: v for k, v in model.items() if "chat_template" not in k})
    done = command("llm-template", "-m", bare, "--messages", "-", stdin=chat)
    check("-m: a model without a template", done.returncode == 1 and "no such chat template" in done.stderr, repr(done))
    done = command("llm-template", "-m", path + ".not", "--messages", "-", stdin=chat)
    check("-m: a file that is not there", done.returncode == 1 and path + ".not" in done.stderr, repr(done))


the_command()
templates_of_models()
if jinja_oracle:
    against_jinja2()
else:
    print("SKIPPED the comparison with jinja2: it is not installed (pip install jinja2)")
finish()
