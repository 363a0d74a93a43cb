"""Conversations that a chat template may meet: (name, variables) pairs, the variables in OpenAI's form."""
import itertools

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


def all_variables():
    return list(itertools.chain.from_iterable(variables(name, messages) for name, messages in chats()))
