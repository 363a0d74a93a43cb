"""Tool calls that a model's own template writes into a conversation are read back from that text, whole and in pieces."""
import glob
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from batch import render_all  # noqa: E402
from engine import BUILD, FIXTURES, check, finish  # noqa: E402

PATHS = sys.argv[2:] or sorted(glob.glob(os.path.join(FIXTURES, "templates", "*.jinja")))
TOOLS = [{"type": "function", "function": {"name": name, "description": "D", "parameters": {
    "type": "object", "properties": properties, "required": list(properties)}}} for name, properties in [
        ("get_weather", {"city": {"type": "string", "description": "c"}, "days": {"type": "integer", "description": "d"}}),
        ("search", {"query": {"type": "string", "description": "q"}, "deep": {"type": "boolean", "description": "b"},
                    "tags": {"type": "array", "items": {"type": "string"}, "description": "t"}})]]
ONE = ("get_weather", {"city": "Zürich \"HB\"\n<3>", "days": 3})
TWO = ("search", {"query": "12", "deep": True, "tags": ["a", "b'c"]})
CASES = [("one", "", [ONE]), ("two", "", [ONE, TWO]), ("with words", "I look.", [TWO])]
ENDS = ["<|im_end|>", "</s>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|call|>", "<end_of_turn>", "<turn|>", "<|END_OF_TURN_TOKEN|>",
        "<｜end▁of▁sentence｜>", "<|end_of_text|>", "<|endoftext|>", "<|assistant_end|>", "<seed:eos>", "[e~[", "<|eos|>", "<SPECIAL_12>",
        "[|endofturn|]", "<|eom|>", "<|eot|>", "<|message_sep|>", "<end_of_sentence>", "<sep>", "<|role_end|>", "</assistant>", "<|calls|>",
        "<|tool_response>", "<|observation|>", "<｜Assistant｜>", "<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|START_THINKING|><|END_THINKING|>"]


def message(words, calls, as_text):
    return {"role": "assistant", "content": words, "tool_calls": [
        {"id": f"abcdefgh{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(a, ensure_ascii=False) if as_text else a}}
        for i, (name, a) in enumerate(calls)]}


def variables(messages, begin):
    return {"messages": messages, "tools": TOOLS, "add_generation_prompt": begin, "bos_token": "<s>", "eos_token": "</s>",
            "enable_thinking": False}


def answer_of(before, prompt, full):
    """The prompt and what the model has to write, of the conversation without and with its answer."""
    if not full or not prompt:
        return None
    if not full.startswith(prompt):  # the prompt ends otherwise where no answer follows: in an empty thought
        shared = os.path.commonprefix([prompt, full])
        if not before or len(shared) < len(before):
            return None
        prompt = shared[:shared.rfind("<")] if "<" in shared[-8:] and ">" not in shared[shared.rfind("<"):] else shared
    text = full[len(prompt):].rstrip()
    while any(text.endswith(end) for end in ENDS):
        for end in ENDS:
            text = text.removesuffix(end).rstrip()
    return prompt, text


def parse_all(jobs):
    lines = "".join(json.dumps(dict(zip(("template", "prompt", "text", "tools"), (*job, TOOLS)))) + "\n" for job in jobs)
    done = subprocess.run([os.path.join(BUILD, "bin", "answer_batch")], input=lines.encode(), capture_output=True, check=False)
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def calls_of(message_read):
    def value(text):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return [(c["function"]["name"], value(c["function"]["arguments"])) for c in message_read.get("tool_calls", [])]


def summed(deltas):
    total = {"role": "assistant", "content": ""}
    for delta in deltas:
        for key in ("content", "reasoning_content"):
            if key in delta:
                total[key] = total.get(key, "") + delta[key]
        for call in delta.get("tool_calls", []):
            calls = total.setdefault("tool_calls", [])
            if call["index"] == len(calls):
                calls.append({"id": call["id"], "type": call["type"], "function": dict(call["function"])})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return total


def conversations(text):
    """(case, prompt, answer) of those that the template can render, with arguments as an object, else as a text."""
    user = [{"role": "user", "content": "Weather?"}]
    for as_text in (False, True):
        wanted = [user + [message(words, calls, as_text)] for _, words, calls in CASES]
        out = render_all(BUILD, [(text, variables(user, False)), (text, variables(user, True))] + [(text, variables(m, False)) for m in wanted])
        for case, (full, _) in zip(CASES, out[2:]):
            answer = answer_of(out[0][0], out[1][0], full)
            if answer and case[2][0][0] in answer[1]:
                yield (*case, as_text, *answer)


read = {}
for path in PATHS:
    name = os.path.basename(path)
    with open(path, encoding="utf-8") as file:
        template = file.read()
    cases = list(conversations(template))
    answers = parse_all([(template, prompt, text) for *_, prompt, text in cases])
    read[name] = 0
    for (case, words, calls, as_text, prompt, text), answer in zip(cases, answers):
        got = answer["message"]
        calls = [call for call in calls if call[0] in text]  # some write but one
        words = words if words in text else ""
        good = calls_of(got) == calls and (got["content"].strip() == words or got.get("reasoning_content") == words)
        read[name] += good
        if not as_text or read[name] == 0:  # texts of arguments are dumped once more by some
            check(f"{name}: {case}", good, f"\n  {text!r}\n  {got}")
        check(f"{name}: {case} in pieces", summed(answer["deltas"]) == got, f"{answer['deltas']}")
print(f"{sum(map(bool, read.values()))} of {len(PATHS)} templates write calls that are read back, {sum(read.values())} conversations")
print("not:", " ".join(name for name, n in read.items() if not n))
if not sys.argv[2:]:
    check("most templates write calls", sum(map(bool, read.values())) >= 5, read)
finish()
