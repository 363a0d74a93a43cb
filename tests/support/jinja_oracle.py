"""Chat templates by Python's jinja2, set up as transformers does it: the oracle of the template tests.

jinja2 and what it is given are others'; this file only builds the environment that transformers' documentation and
behaviour describe. Import fails where jinja2 is not installed."""
import copy
import functools
import json
from datetime import datetime

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """{% generation %} marks what a model wrote; its text is kept."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(form):
    return datetime.now().strftime(form)


class Namespace(jinja2.utils.Namespace):
    """transformers refuses names with an underscore first."""

    def __init__(*args, **kwargs):  # noqa: B902
        self, args = args[0], args[1:]
        if any(isinstance(name, str) and name.startswith("_") for name in dict(*args, **kwargs)):
            raise jinja2.exceptions.SecurityError("underscore")
        jinja2.utils.Namespace.__init__(self, *args, **kwargs)

    def __setitem__(self, name, value):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError("underscore")
        jinja2.utils.Namespace.__setitem__(self, name, value)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    env.globals["namespace"] = Namespace
    return env


ENV = environment()


compiled = functools.lru_cache(64)(ENV.from_string)


def render(text, variables):
    """(output, None) or (None, error)."""
    try:
        out = compiled(text).render(**copy.deepcopy(variables))  # l|indent changes the list l
        out.encode("utf-8")
        return out, None
    except Exception as error:  # whatever a template makes Python raise
        return None, f"{type(error).__name__}: {error}"
