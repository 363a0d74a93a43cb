"""Grammars made of JSON schemas and regular expressions, against Python's jsonschema and re.

For each of several hundred schemas: random walks through the token masks parse and validate, and values that jsonschema
refuses are not accepted. Then the default model generates under schemas. BP_SLOW=1: 1,000 such texts, under every
schema, instead of a few."""
import itertools
import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, SMOLLM2, check, command, finish  # noqa: E402

try:
    import jsonschema
except ImportError:
    print("skipped: Python's jsonschema is not installed")
    sys.exit(77)

SLOW = os.environ.get("BP_SLOW") == "1"
MOST, PART = 160, 25 if SLOW else 9  # tokens of a text, texts of a process
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
random.seed(20240601)

POOL = [None, True, False, 0, 1, -1, 2, 3, 5, 7, 10, 12, 13, 50, 99, 100, 101, 255, 256, 1000, -7, -100, 0.5, 1.5, -2.25, 3.75, 99.5, 1e20,
        "", "a", "b", "ab", "abc", "abcd", "A", "aaa", "foo", "bar", "foobar", "0", "12", "2024-02-29", "2023-02-29", "2024-13-01", "x@y.z",
        "127.0.0.1", "256.1.1.1", "::1", "12:30:00Z", "2024-01-01T00:00:00Z", "123e4567-e89b-12d3-a456-426614174000", "caf\u00e9", "\u65e5\u672c",
        "\"", "\\", "\n", "a b", "x-1", "red", "green", "-", "http://a.b/c", "\U0001f642",
        [], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], ["a"], ["a", 1], [1, "a"], [None], [[]], [[1]], [True, False], [{}], ["a", "b", "c", "d", "e"],
        {}, {"a": 1}, {"a": "x"}, {"b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": "x"}, {"a": None}, {"a": {"b": 1}}, {"a": [1]}, {"c": True},
        {"a": 1, "b": "x", "c": True}, {"a": 1, "c": 3}, {"x-1": 1}, {"x-1": "s"}, {"foo": 1}, {"foo": 1, "bar": "s"}, {"bar": 2}, {"kind": "a"},
        {"kind": "a", "v": 1}, {"kind": "b", "v": 1}, {"kind": "b", "w": "s"}, {"a": 1, "b": "x", "zz": 0}, {"ab": 1}, {"": 1}, {"a": 7}]

PATTERNS = ["^a+$", "^[a-c]{2,4}$", "^(foo|bar)+$", "^\\d{3}-\\d{4}$", "^[^x]*$", "^\\w+$", "^\\S+ \\S+$", "b", "^ab", "ab$", "^(a|b)?c?$", "a|b",
            "^[A-Z][a-z]*( [A-Z][a-z]*)*$", "^\\u00e9?\\x41$", "^[\\w.-]+@[\\w-]+\\.\\w{2,3}$", "^$", "^.{2,3}$", "^a.c$", "^[\\]\\-\\\\]+$",
            "^(?:x|y(?:z|w)){1,2}$", "^(?<year>\\d{4})$", "^\"[^\"]*\"$", "^\\n?\\t?$", "^a{0,2}b{2}c{1,}$", "^a*?b+?$", "(^a|b$)", "^#[0-9a-fA-F]{6}$",
            "^[\u65e5\u672c]+$", "^[\U0001f600-\U0001f64f]$", "^\\/\\*$", "^[-a]+$", "^\\$[0-9]+\\.[0-9]{2}$"]


def to_python(pattern):
    """An ECMAScript pattern as Python writes it, where the two differ."""
    out, in_class, at = "", False, 0
    while at < len(pattern):
        c = pattern[at]
        two = pattern[at:at + 2]
        at += 1
        if c == "\\":
            at += 1
            out += {"\\S": "[^" + SPACES + "]", "\\s": "[" + SPACES + "]", "\\/": "/"}.get(two, two)
        elif in_class or c == "[":
            in_class = c != "]"
            out += c
        elif pattern[at - 1:at + 2] == "(?<":
            out += "(?P<"
            at += 2
        else:
            out += {"$": "\\Z", ".": "[^\n\r\u2028\u2029]"}.get(c, c)
    return re.compile(out, re.ASCII)


SPACES = "\\t-\\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


def check_pattern(_validator, pattern, value, _schema):
    if isinstance(value, str) and not to_python(pattern).search(value):
        yield jsonschema.ValidationError(f"{value!r} does not fit {pattern}")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": check_pattern})


def numbers():
    for low, high in [(0, 9), (1, 12), (-5, 5), (0, 0), (7, 7), (-100, -1), (-12, 105), (99, 1001), (0, 255), (123456789, 987654321), (-1, 0), (5, 14)]:
        yield {"type": "integer", "minimum": low, "maximum": high}
        yield {"type": "integer", "exclusiveMinimum": low - 1, "exclusiveMaximum": high + 2}
        yield {"type": "number", "minimum": low, "maximum": high + 0.5}
    for bound in [0, 1, -1, 10, 99, 100, -100, 3.5, -0.5, 1e3]:
        yield {"type": "integer", "minimum": bound}
        yield {"type": "integer", "maximum": bound}
        yield {"type": "number", "exclusiveMinimum": bound}
        yield {"type": "number", "exclusiveMaximum": bound}
    for divisor in [1, 2, 3, 5, 7, 10, 12, 25, 100, 365]:
        yield {"type": "integer", "multipleOf": divisor}
        yield {"type": "integer", "multipleOf": divisor, "minimum": -1000, "maximum": 1000}
    for divisor in [0.5, 0.25, 2.5, 0.125]:
        yield {"type": "number", "multipleOf": divisor, "minimum": -8, "maximum": 64}
    yield {"minimum": 3}
    yield {"type": "number", "minimum": 0.001, "maximum": 0.01}


def strings():
    for low, high in [(0, 0), (0, 1), (1, 1), (2, 4), (3, 3), (0, 64), (5, 100)]:
        yield {"type": "string", "minLength": low, "maxLength": high}
    yield {"type": "string", "minLength": 2}
    yield {"minLength": 1, "maxLength": 3}
    for pattern in PATTERNS:
        yield {"type": "string", "pattern": pattern}
    yield {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}
    yield {"type": "string", "pattern": "^x[a-z]*y$", "minLength": 4, "maxLength": 6}
    yield {"type": "string", "pattern": "^ab", "maxLength": 4}
    for name in ["date", "time", "date-time", "uuid", "email", "ipv4", "ipv6", "hostname", "uri", "uri-reference", "duration", "json-pointer"]:
        yield {"type": "string", "format": name}


def values():
    yield from ({"type": kind} for kind in ["null", "boolean", "integer", "number", "string", "array", "object"])
    yield from ({"type": list(two)} for two in itertools.combinations(["null", "boolean", "integer", "string", "array"], 2))
    yield from [True, {}, {"title": "anything", "description": "x", "default": 1}, {"const": 1}, {"const": "a"}, {"const": None}, {"const": {"a": [1, "x"]}},
                {"const": "\"\\\n\u00e9"}, {"enum": ["red", "green", "blue"]}, {"enum": [1, 2.5, "a", None, [1], {"a": 1}]},
                {"type": "string", "enum": ["a", 1, "b"]}, {"type": "integer", "enum": [1, 2, 3, 50], "maximum": 5}, {"enum": ["a", "ab", "abc", "b", ""]},
                {"type": ["string", "null"], "maxLength": 2}, {"type": "string", "enum": ["a", "abc"], "minLength": 2}]


def arrays():
    items = [{"type": "integer"}, {"type": "string", "maxLength": 3}, {"enum": ["a", "b"]}, {"type": "array", "items": {"type": "boolean"}}]
    for item, (low, high) in itertools.product(items, [(0, None), (1, None), (0, 2), (2, 2), (1, 4)]):
        yield {"type": "array", "items": item, "minItems": low, **({} if high is None else {"maxItems": high})}
    yield {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}
    yield {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 2}
    yield {"type": "array", "prefixItems": [{"const": 1}], "minItems": 1, "maxItems": 3, "items": {"type": "boolean"}}
    yield {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2}
    yield {"type": "array", "maxItems": 0}
    yield {"items": {"type": "integer", "minimum": 0, "maximum": 9}}
    yield {"type": "array", "maxItems": 1, "uniqueItems": True}
    yield {"type": "array", "minItems": 3, "maxItems": 500, "items": {"const": 0}}


def objects():
    parts = {"a": {"type": "integer", "minimum": 0, "maximum": 9}, "b": {"type": "string", "maxLength": 4}, "c": {"type": "boolean"}}
    for n in range(4):
        for required in itertools.combinations("abc", n):
            for more in [{}, {"additionalProperties": False}, {"additionalProperties": {"type": "null"}}]:
                yield {"type": "object", "properties": parts, "required": list(required), **more}
    for low, high in [(0, 1), (1, 1), (1, 2), (2, 3), (3, 3), (0, 0)]:
        yield {"type": "object", "properties": parts, "minProperties": low, "maxProperties": high}
    yield {"type": "object", "properties": parts, "required": ["c", "z"], "additionalProperties": {"type": "integer"}}
    yield {"type": "object", "additionalProperties": {"type": "integer"}}
    yield {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2, "minProperties": 1}
    yield {"type": "object", "properties": {"ab": {"type": "integer"}, "abc": {"type": "integer"}, "\u00e9": {"type": "integer"}, "\"": {"type": "integer"}},
           "additionalProperties": {"type": "string"}}
    yield {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False}
    yield {"patternProperties": {"^[a-z]{1,2}$": {"type": "boolean"}}}
    yield {"type": "object", "propertyNames": {"pattern": "^[a-z]{1,3}$"}, "additionalProperties": {"type": "integer"}}
    yield {"type": "object", "propertyNames": {"maxLength": 2}}
    yield {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}}
    yield {"type": "object", "required": ["foo"]}
    yield {"properties": {"a": {"properties": {"b": {"type": "integer"}}, "required": ["b"]}}, "required": ["a"]}
    yield {"type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(60)}, "required": ["p59"]}


def combined():
    a, b = {"type": "integer", "minimum": 0, "maximum": 5}, {"type": "string", "maxLength": 2}
    kinds = [{"type": "object", "properties": {"kind": {"const": k}, key: v}, "required": ["kind", key]}
             for k, key, v in [("a", "v", a), ("b", "w", b)]]
    yield from [{"anyOf": [a, b]}, {"oneOf": [a, b]}, {"oneOf": kinds}, {"anyOf": kinds + [{"type": "null"}]}, {"allOf": [a, {"maximum": 3}]},
                {"allOf": [{"type": ["integer", "string"]}, {"type": ["string", "null"]}, {"maxLength": 1}]},
                {"type": "integer", "anyOf": [{"maximum": 2}, {"minimum": 7, "maximum": 9}]},
                {"type": "object", "properties": {"a": a}, "required": ["a"], "anyOf": [{"properties": {"b": b}, "required": ["b"]}, {"properties": {"c": {"type": "boolean"}}}]},
                {"allOf": [{"type": "object", "properties": {"a": a}, "required": ["a"]}, {"properties": {"b": b}, "required": ["b"]}]},
                {"allOf": [{"properties": {"a": {"minimum": 2}}}, {"properties": {"a": {"type": "integer", "maximum": 4}}, "required": ["a"]}]},
                {"allOf": [{"type": "object", "properties": {"a": a}, "additionalProperties": False}, {"properties": {"a": {}, "zz": b}}]},
                {"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 10}]}, {"oneOf": [{"const": "a"}, {"enum": ["b", 1]}]},
                {"oneOf": [{"type": "array", "maxItems": 1}, {"type": "array", "minItems": 3, "maxItems": 4}]},
                {"allOf": [{"enum": ["a", "b", 1, 2]}, {"enum": [2, "b", None]}]}, {"allOf": [{"multipleOf": 4, "type": "integer"}, {"multipleOf": 6}]},
                {"allOf": [{"anyOf": [a, b]}, {"anyOf": [b, {"type": "null"}]}]}, {"anyOf": [True, {"type": "null"}]}, {"anyOf": [False, a]},
                {"allOf": [{"type": "array", "items": {"type": "integer"}}, {"items": {"minimum": 1, "maximum": 9}, "maxItems": 3}]},
                {"allOf": [{"type": "array", "prefixItems": [a], "minItems": 1}, {"items": {"type": "integer"}, "maxItems": 2}]},
                {"allOf": [True, a]}, {"allOf": [{"minLength": 1}, {"type": "string", "maxLength": 2}, {"pattern": "^a*$"}]}]
    defs = {"a": a, "b": b, "node": {"type": "object", "properties": {"v": {"$ref": "#/$defs/a"}, "next": {"$ref": "#/$defs/node"}}, "required": ["v"]},
            "tree": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/tree"}]}, "maxItems": 3},
            "named": {"$anchor": "here", "type": "boolean"}, "x/y~z": {"const": 3}}
    for name in ["a", "b", "node", "tree", "named", "x~1y~0z"]:
        yield {"$ref": "#/$defs/" + name, "$defs": defs}
        yield {"type": "array", "items": {"$ref": "#/$defs/" + name}, "maxItems": 2, "$defs": defs}
    yield {"$ref": "#here", "$defs": {"values": {"enum": [{"$anchor": "here"}]}, **defs}}
    yield {"$ref": "#/$defs/a", "maximum": 2, "$defs": defs}
    yield {"allOf": [{"$ref": "#/$defs/node"}, {"properties": {"v": {"minimum": 3}, "w": {"$ref": "#/$defs/b"}}}], "$defs": defs}
    yield {"type": "object", "properties": {"child": {"$ref": "#"}, "n": a}, "required": ["n"]}
    yield {"definitions": {"p": {"type": "string", "pattern": "^\\d+$"}}, "type": "object", "properties": {"p": {"$ref": "#/definitions/p"}}, "required": ["p"]}
    yield {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}]}


def composed(depth):
    kind = random.choice(["integer", "string", "enum", "boolean", "null", "number"] + (["object"] * 4 + ["array"] * 3 + ["anyOf"] if depth else []))
    if kind == "object":
        names = random.sample(["id", "name", "tags", "size", "x", "y z", "\u00fc", "a-b"], random.randint(0, 4))
        return {"type": "object", "properties": {name: composed(depth - 1) for name in names}, "required": [n for n in names if random.random() < 0.6],
                "additionalProperties": random.choice([False, False, {"type": "integer"}])}
    if kind == "array":
        low = random.randint(0, 2)
        return {"type": "array", "items": composed(depth - 1), "minItems": low, "maxItems": low + random.randint(0, 3)}
    if kind == "anyOf":
        return {"anyOf": [composed(depth - 1) for _ in range(random.randint(1, 3))]}
    if kind == "integer":
        low = random.randint(-1000, 1000)
        return {"type": "integer", "minimum": low, "maximum": low + random.randint(0, 5000)}
    if kind == "number":
        return {"type": "number", "minimum": random.randint(-20, 20) / 8, "maximum": 3 + random.randint(0, 4000) / 16}
    if kind == "string":
        return random.choice([{"type": "string", "maxLength": random.randint(0, 12)}, {"type": "string", "pattern": random.choice(PATTERNS)},
                              {"type": "string", "format": random.choice(["date", "uuid", "ipv4", "email"])}])
    if kind == "enum":
        return {"enum": random.sample([x for x in POOL if not isinstance(x, float)], random.randint(1, 5))}
    return {"type": kind}


def ask(requests, *words):
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([os.path.join(BUILD, "bin", words[0]), *words[1:]], input=text, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    check(f"{words[0]} answers {len(requests)} requests", len(answers) == len(requests), f"{len(answers)}, exit status {done.returncode} {done.stderr[-300:]}")
    return answers


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def why_invalid(validator, text):
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
    error = next(iter(validator.iter_errors(value)), None)
    return error.message if error else None


def check_schemas(schemas, walks, *words):
    """Walks validate; values of the pool that are invalid are not accepted. Returns numbers for a person."""
    pool = [dump(value) for value in POOL]
    requests = [{"schema": json.dumps(s), "accept": pool, "walks": walks, "seed": i + 1, "most": 40, "whitespace": i % 4 == 3} for i, s in enumerate(schemas)]
    ended = valid_in_pool = accepted = 0
    for schema, answer in zip(schemas, ask(requests, *words)):
        name = dump(schema)[:150]
        if "error" in answer:
            check(name, False, answer["error"])
            continue
        validator = Validator(schema, format_checker=FORMATS)
        texts = [text for text in answer["walks"] if text is not None]
        bad = [(text, why) for text in texts for why in [why_invalid(validator, text)] if why]
        check(f"walks: {name}", not bad and "problem" not in answer, f"{bad[:2]} {answer.get('problem')}")
        valid = [validator.is_valid(value) for value in POOL]
        wrong = [text for text, ok, taken in zip(pool, valid, answer["accepted"]) if taken and not ok]
        check(f"refuses: {name}", not wrong, f"accepted {wrong[:3]}")
        ended += len(texts)
        valid_in_pool += sum(valid)
        accepted += sum(answer["accepted"])
    print(f"{len(schemas)} schemas ({words[-1].split('/')[-1]}): {ended} of {walks * len(schemas)} walks came to an end, all checked; "
          f"{accepted} of {valid_in_pool} valid values of the pool accepted")
    check("most walks come to an end", ended > 0.7 * walks * len(schemas), f"{ended}")


def conditional():
    """Keywords that are said by others: not, if, contains, dependent…, unevaluated…, uniqueItems."""
    small, word, base = {"type": "integer", "minimum": 0, "maximum": 5}, {"type": "string", "maxLength": 3}, {"a": {"enum": ["x", "y", "z"]}, "b": {"type": "integer", "maximum": 9}}
    record = {"type": "object", "properties": base}
    for no in [{"type": "string"}, {"type": ["integer", "null"]}, {"required": ["a"]}, {"required": ["a", "b"]}, {"properties": {"a": {"const": "x"}}}, {"enum": ["x", 1]},
               {"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}, {"anyOf": [{"required": ["a"]}, {"type": "array"}]}, {"not": {"required": ["b"]}}, False]:
        yield {"not": no}
        yield {**record, "not": no}
        yield {"anyOf": [record, small, {"type": "null"}], "not": no}
        yield {"allOf": [{"not": no}, {"not": {"type": "boolean"}}, record]}
    yield {**small, "not": {"minimum": 3}}
    yield {**small, "not": {"exclusiveMaximum": 3}}
    yield {"enum": [1, 2, "a", "b", None], "not": {"enum": [2, "b"]}}
    yield {"enum": ["a", "abc", "abcd"], "not": {"minLength": 4}}
    yield {**word, "not": {"maxLength": 1}}
    yield {"type": "integer", "not": {"enum": [3, 5, 5.5]}}
    yield {"type": "number", "minimum": 0, "not": {"const": 0}}
    yield {"type": "string", "not": {"enum": ["a", "", "ab", "\u00e9"]}}
    yield {"type": ["string", "integer"], "not": {"enum": ["a", 1]}}
    for test in [{"properties": {"a": {"const": "x"}}}, {"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}, {"required": ["a"]}, {"not": {"required": ["a"]}}, True, False]:
        for then, otherwise in [({"required": ["b"]}, {"properties": {"b": False}}), (None, {"required": ["b"]}), ({"properties": {"b": {"minimum": 7}}}, None)]:
            yield {**record, "if": test, **({"then": then} if then else {}), **({"else": otherwise} if otherwise else {})}
    yield {"type": ["integer", "string"], "if": {"type": "integer"}, "then": {"minimum": 3, "maximum": 4}, "else": {"maxLength": 2}}
    yield {"if": {"type": "string"}, "then": {"maxLength": 1}}
    for many in [{}, {"minContains": 2}, {"maxContains": 2}, {"minContains": 0}, {"minContains": 2, "maxContains": 3}]:
        yield {"type": "array", "contains": small, **many}
        yield {"type": "array", "items": {"type": "integer", "maximum": 20}, "contains": {"multipleOf": 3}, "maxItems": 4, **many}
    yield {"prefixItems": [word, True], "items": small, "contains": {"minLength": 2}}
    for dependent in [{"dependentRequired": {"a": ["b"]}}, {"dependentRequired": {"a": ["b"], "b": ["a"]}}, {"dependentSchemas": {"a": {"properties": {"b": {"minimum": 8}}}}},
                      {"dependencies": {"a": ["b"]}}, {"dependencies": {"b": {"required": ["a"]}}}, {"dependentRequired": {"a": []}}, {"dependentSchemas": {"a": False}}]:
        yield {**record, **dependent}
        yield {**dependent, "maxProperties": 2}
    for late in [False, True, {"type": "null"}]:
        yield {**record, "unevaluatedProperties": late}
        yield {"type": "object", "allOf": [record, {"properties": {"c": small}, "required": ["c"]}], "unevaluatedProperties": late}
        yield {"type": "object", "anyOf": [{"properties": {"c": small}, "required": ["c"]}, {"properties": {"d": word}}], "properties": base, "unevaluatedProperties": late}
        yield {"$ref": "#/$defs/r", "$defs": {"r": record}, "properties": {"c": small}, "unevaluatedProperties": late}
        yield {"allOf": [{"properties": {"c": small}}, {"properties": {"d": word}, "unevaluatedProperties": late}]}
        yield {**record, "if": {"required": ["a"]}, "then": {"properties": {"c": small}}, "unevaluatedProperties": late}
        yield {"prefixItems": [small, word], "unevaluatedItems": late}
        yield {"allOf": [{"prefixItems": [small]}, {"prefixItems": [True, word]}], "unevaluatedItems": late, "maxItems": 4}
    for values in [["a", "b", "c"], [1, "1", None, True], ["a"], ["a", "b", "a"]]:
        for size in [{}, {"minItems": 2}, {"maxItems": 2}, {"minItems": 1, "maxItems": 1}]:
            if len(values) >= size.get("minItems", 0):
                yield {"type": "array", "items": {"enum": values}, "uniqueItems": True, **size}
    yield {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}
    yield {"type": "array", "items": {"$dynamicRef": "#x"}, "maxItems": 3, "$defs": {"x": {"$dynamicAnchor": "x", "type": "boolean"}}}


def check_refusals():
    """What cannot be held to is said, with the place."""
    cases = [({"not": {}}, "no text that ends"), ({"not": {"pattern": "a"}}, "#/not"), ({"properties": {"a": {"not": {"oneOf": [{}]}}}}, "#/properties/a/not"),
             ({"type": "string", "maxLength": 3, "not": {"const": "a"}}, "#/not"), ({"type": "array", "not": {"const": []}}, "#/not"), ({"properties": {"a": {"if": {"pattern": "a"}, "then": {"maxLength": 3}}}}, "#/properties/a/if"),
             ({"type": "array", "uniqueItems": True}, "#/uniqueItems"), ({"items": {"enum": [1, 1.0]}, "uniqueItems": True}, "#/uniqueItems"),
             ({"items": {"contains": {}, "maxContains": 0}}, "#/items/contains"), ({"contains": {}, "items": [{}]}, "#/contains"),
             ({"allOf": [{"unevaluatedProperties": False, "anyOf": [{}]}]}, "unevaluatedProperties"), ({"dependencies": {"a": 3}}, "should be a schema or an array of names"),
             ({"$dynamicRef": "#x", "$defs": {"a": {"$dynamicAnchor": "x"}, "b": {"$dynamicAnchor": "x"}}}, "#/$dynamicRef"),
             ({"properties": {"a": {"items": {"$dynamicRef": "#x"}}}}, "#/properties/a/items/$dynamicRef"), ({"$recursiveRef": "#"}, "#/$recursiveRef"),
             ({"type": "string", "pattern": "(?=a)"}, "lookahead"), ({"type": "string", "pattern": "(a)\\1"}, "references to groups"),
             ({"type": "string", "pattern": "\\bx"}, "word boundaries"), ({"$ref": "other.json"}, "#/$ref"), ({"$ref": "#/nowhere"}, "#/nowhere"),
             ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, "#/oneOf"),
             ({"type": "strin"}, "#/type"), ({"properties": {"a/b": {"type": "string", "minLength": -1}}}, "#/properties/a~1b/minLength"),
             ({"type": "string", "format": "idn-email"}, "#/format"), ({"$ref": "#"}, "$ref #"),
             ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "no text that ends"), ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "#/pattern"),
             ({"patternProperties": {"a": {}, "b": {}}}, "#/patternProperties"), ({"anyOf": []}, "#/anyOf"),
             ({"type": "integer", "multipleOf": 0}, "#/multipleOf"), (3, "a schema is an object"), ({"minProperties": 5}, "#/minProperties")]
    answers = ask([{"schema": json.dumps(schema)} for schema, _ in cases] + [{"schema": "{"}, {"schema": ""}], "grammar_probe")
    for (schema, words), answer in zip(cases, answers):
        check(f"refused: {dump(schema)}", words in answer.get("error", ""), str(answer)[:300])
    check("no JSON is refused", all("line 1" in answer.get("error", "") for answer in answers[-2:]), str(answers[-2:]))


def check_patterns():
    """Regular expressions as a whole, against re.fullmatch."""
    alphabet = ["a", "b", "c", "x", "0", "7", "-", " ", ".", "\n", "\u00e9", "ab", "foo", "\"", "A", "_", "@", "$", "\\", ""]
    texts = ["".join(random.choice(alphabet) for _ in range(random.randint(0, 6))) for _ in range(300)]
    requests = [{"regex": pattern, "accept": texts, "walks": 5, "seed": i, "most": 12} for i, pattern in enumerate(PATTERNS)]
    for pattern, answer in zip(PATTERNS, ask(requests, "grammar_probe")):
        python = to_python(pattern)
        wrong = [t for t, taken in zip(texts, answer.get("accepted", [])) if taken != bool(python.fullmatch(t))]
        wrong += [t for t in answer.get("walks", []) if t is not None and not python.fullmatch(t)]
        check(f"pattern {pattern}", not wrong and "error" not in answer, f"{wrong[:3]} {answer.get('error')}")


PERSON = {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 24}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                           "role": {"enum": ["admin", "author", "reader"]}}, "required": ["name", "age", "role"]}
GENERATED = [(PERSON, "A person as JSON:"), ({"type": "array", "items": {"type": "string", "maxLength": 16}, "minItems": 2, "maxItems": 5}, "Some colours as a JSON array:"),
             ({"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "since": {"type": "string", "format": "date"},
                                                "rain": {"type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.25}}, "required": ["city", "rain"]}, "Weather:"),
             ({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": -99, "maximum": 99}, {"type": "null"}]}, "The answer is"),
             ({"type": "object", "properties": {"people": {"type": "array", "items": PERSON, "minItems": 1, "maxItems": 2}}, "required": ["people"]}, "A list of people:"),
             ({"$ref": "#/$defs/t", "$defs": {"n": {"type": "integer", "minimum": 0, "maximum": 9}, "l": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 3},
                                           "t": {"type": "object", "properties": {"v": {"$ref": "#/$defs/n"}, "l": {"$ref": "#/$defs/l"}}, "required": ["v"]}}},
              "A tree:"),
             ({"type": "string", "pattern": "^[A-Z][a-z]{2,9}( [A-Z][a-z]{2,9}){0,2}$"}, "Her name is"), ({"type": "string", "format": "uuid"}, "The id is"),
             ({"type": "object", "propertyNames": {"minLength": 1, "maxLength": 12}, "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 99}, "maxProperties": 4}, "Prices:")]


def generate(job):
    """Texts of the model by a process of its own. job: the first seed and (schema, prompt) pairs."""
    seed, pairs = job
    requests = [{"schema": json.dumps(schema), "prompt": prompt, "seed": seed + i, "temperature": [0.3, 0.6, 1, 1.5][(seed + i) % 4], "most": MOST}
                for i, (schema, prompt) in enumerate(pairs)]
    return pairs, ask(requests, "grammar_generate", "-m", SMOLLM2, "--top-k", "0", "--min-p", "0.02", "--threads", "1")


def check_generations(wanted, pairs, n_processes):
    """Texts of the model until `wanted` came to an end: each parses and validates. pairs: (schema, prompt)."""
    jobs = [(at + 1, [pairs[(at + i) % len(pairs)] for i in range(PART)]) for at in range(0, 4 * wanted, PART)]
    good = cut = made = 0
    with ThreadPoolExecutor(n_processes) as pool:
        for first in range(0, len(jobs), n_processes):
            for part, answers in pool.map(generate, jobs[first:first + n_processes] if good < wanted else []):
                for (schema, _), answer in zip(part, answers):
                    why = answer.get("error") or why_invalid(Validator(schema, format_checker=FORMATS), answer["text"])
                    ended = "error" in answer or answer["ended"]
                    check(f"generated under {dump(schema)[:80]}", not why or not ended, f"{answer} {why}")
                    good += not why
                    cut += bool(why and not ended)
                made += len(answers)
                print(f"{good} of {made} texts of the model under {len(pairs)} schemas parse and validate; {cut} were not at their end "
                      f"after {MOST} tokens", flush=True)
    check("enough texts come to an end", good >= wanted, f"{good} of {made}")


def check_command():
    done = command("llm-run", "-m", SMOLLM2, "-p", "The capital of France is", "-n", 8, "--grammar", 'root ::= " Lyon" | " Paris"')
    check("--grammar", done.stdout == " Paris\n", done.stdout + done.stderr)
    done = command("llm-run", "-m", SMOLLM2, "-p", "2 + 2 =", "-n", 8, "--regex", " ?[0-9]{1,2}")
    check("--regex", re.fullmatch(" ?[0-9]{1,2}\n", done.stdout), done.stdout + done.stderr)
    done = command("llm-run", "-m", SMOLLM2, "-p", "x", "--json-schema", '{"oneOf":[{},{}]}')
    check("an error names the place", done.returncode == 1 and "json_schema: JSON schema, #/oneOf" in done.stderr, done.stderr)
    done = command("llm-run", "-m", SMOLLM2, "-p", "x", "--json-schema", "{}", "--regex", "a")
    check("one of them", done.returncode == 1 and "one of them" in done.stderr, done.stderr)


SCHEMAS = [*numbers(), *strings(), *values(), *arrays(), *objects(), *combined(), *conditional(), *(composed(3) for _ in range(150))]
check("at least 300 schemas", len(SCHEMAS) >= 300)
check_schemas(SCHEMAS, 4, "grammar_probe")
check_refusals()
check_patterns()
if os.path.isfile(SMOLLM2):
    check_schemas(SCHEMAS, 2, "grammar_probe", SMOLLM2)
    check_command()
    check_generations(1000 if SLOW else 9, GENERATED + [(schema, "An example as JSON:") for schema in SCHEMAS if SLOW], 4 if SLOW else 1)
    if not SLOW:
        print("skipped without BP_SLOW=1: 1,000 texts of the model")
else:
    print(f"skipped: {SMOLLM2} is not there")
finish()
