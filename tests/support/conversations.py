"""Conversations that a chat template may meet: (name, variables) pairs, the variables in OpenAI's form."""

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the weather at a place.",
    "parameters": {"type": "object", "properties": {
        "location": {"type": "string", "description": "The city, e.g. Zürich"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": "integer", "minimum": 1, "default": 3}}, "required": ["location"]}}}
SEARCH = {"type": "function", "function": {
    "name": "search", "description": "Search <the> \"web\" & more",
    "parameters": {"type": "object", "properties": {
        "query": {"type": ["string", "null"]}, "limit": {"type": "number", "default": 1.5},
        "tags": {"type": "array", "items": {"type": "string"}},
        "options": {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]},
        "either": {"oneOf": [{"type": "string"}, {"type": "number", "default": 2}]}},
        "required": ["query", "options"]},
    "return": {"type": "string"}}}
NOTHING = {"type": "function", "function": {"name": "ping", "description": "No parameters",
                                            "parameters": {"type": "object", "properties": {}}}}


def user(text):
    return {"role": "user", "content": text}


def said(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, number="abcdefgh1"):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(text, name="get_weather", number="abcdefgh1"):
    return {"role": "tool", "name": name, "tool_call_id": number, "content": text}


def chats():
    one = call("get_weather", {"location": "Bern", "unit": "celsius"})
    text = call("get_weather", "{\"location\": \"Bern\"}")
    two = call("search", {"query": None, "options": {"deep": True}, "limit": 2.0}, "abcdefgh2")
    yield "one", [user("Hello")]
    yield "empty", [user("")]
    yield "spaces", [user("  two\n lines \n\n"), said("  yes \n"), user("\tagain ")]
    yield "system", [system("You are terse."), user("Hi")]
    yield "system-empty", [system(""), user("Hi")]
    yield "system-spaces", [system("  padded \n"), user("Hi")]
    yield "turns", [user("a"), said("b"), user("c"), said("d"), user("e")]
    yield "turns-system", [system("S"), user("a"), said("b"), user("c")]
    yield "ends-assistant", [user("a"), said("b")]
    yield "unicode", [user("Grüße, 世界 🌍 e\u0301 \u200b\u00a0x"), said("naïve — “ok”"), user("日本語\u3000全角")]
    yield "markup", [user("<b>&amp; 'quoted' \"double\" {{ x }} {% y %} {# z #} \\n"), said("`c`"), user("<|im_end|>")]
    yield "thinking", [user("2+2?"), said("<think>\nadd\n</think>\n\n4"), user("3+3?")]
    yield "thinking-last", [user("2+2?"), said("<think>\nadd\n</think>\n\n4")]
    yield "reasoning", [user("2+2?"), said("4", reasoning_content="add them", thinking="add them"), user("ok")]
    yield "reasoning-none", [user("2+2?"), said("4", reasoning_content=None), user("ok")]
    yield "reasoning-last", [user("2+2?"), said("4", reasoning_content="\nadd\n")]
    yield "think-flag", [system("Be good /no_think"), user("x"), said("\n\ny"), user("z /think")]
    yield "call", [user("Weather?"), said("", tool_calls=[one]), result("12 degrees"), said("It is 12."), user("Thanks")]
    yield "call-none", [user("Weather?"), said(None, tool_calls=[one]), result("{\"t\": 12}")]
    yield "call-missing", [user("Weather?"), {"role": "assistant", "tool_calls": [one]}, result("12")]
    yield "call-text", [user("Weather?"), said("I look.", tool_calls=[text]), result("12"), said("12.")]
    yield "call-text-none", [user("Weather?"), said(None, tool_calls=[text, call("search", "{}", "abcdefgh2")]), result("12"),
                             result("13", "search", "abcdefgh2"), said("12."), user("more")]
    yield "call-two", [user("Both?"), said("", tool_calls=[one, two]), result("12"), result("[]", "search", "abcdefgh2"),
                       said("Done"), user("ok")]
    yield "call-open", [user("Weather?"), said("", tool_calls=[one])]
    yield "call-flat", [user("Weather?"), said("", tool_calls=[{"name": "ping", "arguments": {}, "id": "abcdefgh9"}]),
                        result("pong", "ping", "abcdefgh9")]
    yield "call-thinking", [user("Weather?"), said("", thinking="look it up", reasoning_content="look it up", tool_calls=[one]),
                            result("12 °C"), said("12", reasoning_content="easy"), user("and tomorrow?")]
    yield "result-object", [user("Weather?"), said("", tool_calls=[one]), result({"t": 12, "ok": True, "s": "é"})]
    yield "parts", [user([{"type": "text", "text": "What is"}, {"type": "image"}, {"type": "text", "text": " this?"}])]
    yield "parts-system", [system([{"type": "text", "text": "S"}]), user([{"type": "text", "text": "U"}]),
                           said([{"type": "text", "text": "A"}]), user("V")]
    yield "wrong-order", [said("first"), user("then")]
    yield "two-users", [user("a"), user("b")]
    yield "late-system", [user("a"), system("late"), said("b"), user("c")]
    yield "strange-role", [{"role": "critic", "content": "hm"}, user("a")]
    yield "developer", [{"role": "developer", "content": "D"}, user("a")]
    yield "no-content", [{"role": "user"}]
    yield "none", []
    yield "long", [m for i in range(20) for m in (user(f"q {i}"), said(f"a {i}"))] + [user("end")]


def variables(name, messages):
    """Each conversation with several sets of further variables."""
    base = {"bos_token": "<s>", "eos_token": "</s>"}
    yield name, {"messages": messages, "add_generation_prompt": True, **base}
    yield name + "/plain", {"messages": messages, "add_generation_prompt": False, **base}
    yield name + "/hf", {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": True, **base}
    yield name + "/tools", {"messages": messages, "tools": [WEATHER, SEARCH, NOTHING], "add_generation_prompt": True, **base}
    yield name + "/think", {"messages": messages, "add_generation_prompt": True, "enable_thinking": True, "thinking": True, **base}
    yield name + "/nothink", {"messages": messages, "add_generation_prompt": True, "enable_thinking": False,
                              "reasoning_effort": "high", "builtin_tools": ["browser", "python", "code_interpreter"],
                              "tools": [WEATHER], "tools_in_user_message": False, "date_string": "1 Jan 2025", **base}
    yield name + "/bare", {"messages": messages, "tools": [], "custom_tools": [SEARCH], "builtin_tools": ["python"],
                           "documents": [{"title": "T", "text": "Body"}], "xml_tools": [WEATHER]}


def odd_chats():
    """What conversations should not hold, and do."""
    one = call("get_weather", {"location": "Bern", "unit": "celsius"})
    odd = call("f", {"f": 1.0, "g": 1e20, "h": -0.0, "i": 12345678901234567, "j": 1e-7, "k": [], "l": {},
                     "m": [1, [2, {"x": None}]], "n": "a'b\"c\\d\n\t\u2028<&>", "é": True})
    yield "calls-empty", [user("a"), said("b", tool_calls=[]), user("c")]
    yield "calls-null", [user("a"), said("b", tool_calls=None), user("c")]
    yield "arguments-null", [user("a"), said("", tool_calls=[call("f", None)]), result("x", "f")]
    yield "arguments-list", [user("a"), said("", tool_calls=[call("f", [1, 2])]), result("x", "f")]
    yield "arguments-odd", [user("a"), said("", tool_calls=[odd]), result("x", "f"), said("y")]
    yield "call-no-id", [user("a"), said("", tool_calls=[{"type": "function", "function": {"name": "f", "arguments": {}}}]),
                         {"role": "tool", "content": "r"}]
    yield "call-no-name", [user("a"), said("", tool_calls=[{"function": {"arguments": {}}}])]
    yield "function-role", [user("a"), said("", function_call={"name": "f", "arguments": "{}"}), {"role": "function", "name": "f", "content": "r"}]
    yield "ipython", [user("a"), said("b"), {"role": "ipython", "content": "r"}, {"role": "environment", "content": {"x": 1}}]
    yield "result-list", [user("a"), said("", tool_calls=[one]), result([{"type": "text", "text": "12"}, {"type": "text", "text": "C"}])]
    yield "result-null", [user("a"), said("", tool_calls=[one]), result(None)]
    yield "result-number", [user("a"), said("", tool_calls=[one]), result(12.50), said("b")]
    yield "results-many", [user("a"), said("x", tool_calls=[one, one, one]), result("1"), result("2"), result("3"), said("b"), user("c")]
    yield "content-number", [user(5), said(True), user(1.5)]
    yield "content-dict", [user({"text": "a"}), said("b")]
    yield "content-empty-list", [user([]), said([]), user("x")]
    yield "parts-mixed", [user([{"type": "image_url", "image_url": {"url": "http://x/y.png"}}, {"type": "text", "text": "See"},
                                {"type": "audio", "audio": "z"},
                                {"type": "video", "video": "v"}, {"type": "input_text", "text": "t"}, {"type": "odd"}, "plain"])]
    yield "parts-assistant", [user("a"), said([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}, {"type": "tool_use"}]), user("c")]
    yield "parts-text-missing", [user([{"type": "text"}, {"text": "x"}, {}])]
    yield "think-two", [user("a"), said("<think>x</think>y<think>z</think>w"), user("b"), said("</think>q"), user("c")]
    yield "think-open", [user("a"), said("<think>never"), user("b")]
    yield "reasoning-empty", [user("a"), said("b", reasoning_content=""), user("c")]
    yield "reasoning-tools", [user("a"), said("b", reasoning_content="r", tool_calls=[one]), result("1"),
                              said("", reasoning_content="s", tool_calls=[one]), result("2")]
    yield "prefix", [user("a"), said("b", prefix=True)]
    yield "system-twice", [system("a"), system("b"), user("c")]
    yield "system-only", [system("a")]
    yield "tool-first", [result("x"), user("a")]
    yield "user-name", [dict(user("a"), name="Bob"), said("b", name="Al")]
    yield "nul", [user("a\x00b\x1f\x7f"), said("\ufeff\u200d\u2028\u2029\x85"), user("\r\n\r x \v\f")]
    yield "braces", [user("{{ '{%' }} {# #} {%- endraw -%}"), said("${x} %s {0} %(a)s"), user("\\u00e9 \\n")]
    yield "wide", [user("ß ẞ ı İ ŉ ǆ ﬁ Σς"), said("ÀÉ"), user("٣ ² ½")]
    yield "long-role", [{"role": "user" * 100, "content": "x"}, {"role": "", "content": "y"}, {"role": None, "content": "z"}]
    yield "no-role", [{"content": "x"}]
    yield "extra", [dict(user("a"), thinking=None, weight=0, loss=False, metadata={"a": 1}), said("b", refusal=None, audio=None, annotations=[])]


ODD_TOOL = {"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "properties": {
    "a": {"type": ["string", "null"], "enum": ["x", None, 1], "description": "multi\nline \"q\" <b>"}, "b": {"$ref": "#/$defs/B"},
    "c": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None, "title": "C"},
    "d": {"type": "array", "items": {"type": "object", "properties": {"e": {"type": "number", "default": 1.0}}, "required": ["e"]}},
    "e": {}, "f": {"type": "object", "additionalProperties": False}, "g": {"type": "string", "format": "date", "nullable": True}},
    "$defs": {"B": {"type": "string"}}}}}
BARE_TOOL = {"name": "bare", "description": None, "parameters": {}}


def odd_variables(name, messages):
    base = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    yield name, {"messages": messages, "add_generation_prompt": True, **base}
    yield name + "/odd", {"messages": messages, "tools": [ODD_TOOL, WEATHER], "add_generation_prompt": True, **base}
    yield name + "/bare", {"messages": messages, "tools": [BARE_TOOL, NOTHING], "add_generation_prompt": False,
                         "documents": [{"title": "T", "text": "x", "doc_id": 1}, {"contents": "y"}, {}], "citation_mode": "fast", **base}
    yield name + "/kw", {"messages": messages, "tools": [SEARCH], "add_generation_prompt": True, "enable_thinking": True,
                       "thinking_budget": 512, "reasoning_effort": "low", "thinking": True, "keep_past_thinking": True,
                       "clear_thinking": False, "preserve_thinking": True, "add_vision_id": True, "model_identity": "M",
                       "continue_final_message": True, "safety_mode": "strict", "available_tools": ["a"],
                       "controls": {"length": "short"}, "system_message": "SM", "tool_choice": "auto", **base}
    yield name + "/empty", {"messages": messages, "tools": None, "add_generation_prompt": None, "bos_token": None,
                            "eos_token": None, "documents": []}


def all_variables():
    return [given for name, messages in chats() for given in variables(name, messages)] + \
           [given for name, messages in odd_chats() for given in odd_variables(name, messages)]
