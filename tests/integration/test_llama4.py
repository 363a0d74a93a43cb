"""Llama 4's chunks and its temperature by position, which short texts do not reach: with both made short, against a plain
statement of the model in numpy, which itself is held to transformers' logits first. Needs the `gguf` package."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import FIXTURES, check, finish, ini, json_of  # noqa: E402

try:
    import numpy as np
    from gguf import GGUFReader
    from gguf_edit import rewrite
except ImportError:
    print("skipped: the gguf package is not installed")
    sys.exit(77)

SOURCE = os.path.join(FIXTURES, "golden", "llama4.gguf")
LAYERS, HEADS, KV_HEADS, DIM, BASE, EPS = 4, 4, 2, 16, 10000.0, 1e-5
WEIGHTS = {tensor.name: np.array(tensor.data, dtype=np.float64) for tensor in GGUFReader(SOURCE).tensors}
CONFIGS = {name: ini(f"[engine]\nbackend = {name}\n[model]\ncache_type = f32\n" +
                     ("[backend.cpu]\nactivations = f32\n" if name == "cpu" else "")) for name in ("reference", "cpu")}


def linear(x, name):
    return x @ WEIGHTS[name + ".weight"].T


def rms(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS)


def silu(x):
    return x / (1 + np.exp(-x))


def rotate(x):
    angle = np.arange(len(x))[:, None] * BASE ** (-2 * np.arange(DIM // 2) / DIM)
    cosine, sine, y = np.cos(angle)[:, None], np.sin(angle)[:, None], np.empty_like(x)
    y[..., 0::2] = x[..., 0::2] * cosine - x[..., 1::2] * sine
    y[..., 1::2] = x[..., 0::2] * sine + x[..., 1::2] * cosine
    return y


def attention(x, layer, chunk, length, scale):
    n, at, rotated = len(x), np.arange(len(x)), (layer + 1) % 4 != 0
    name = f"blk.{layer}.attn_"
    q = linear(x, name + "q").reshape(n, HEADS, DIM)
    k = linear(x, name + "k").reshape(n, KV_HEADS, DIM)
    v = linear(x, name + "v").reshape(n, KV_HEADS, DIM)
    seen = at[None] <= at[:, None]
    if rotated:
        q, k = rms(rotate(q)), rms(rotate(k))
        seen &= at[None] // chunk == at[:, None] // chunk
    else:
        q = q * (1 + scale * np.log(1 + np.floor((at + 1) / length)))[:, None, None]
    out = np.empty_like(q)
    for head in range(HEADS):
        kv = head * KV_HEADS // HEADS
        scores = np.where(seen, q[:, head] @ k[:, kv].T / np.sqrt(DIM), -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head] = weights / weights.sum(-1, keepdims=True) @ v[:, kv]
    return linear(out.reshape(n, -1), name + "output")


def gated(x, name, suffix=""):
    return linear(silu(linear(x, name + "gate" + suffix)) * linear(x, name + "up" + suffix), name + "down" + suffix)


def feed_forward(x, layer):
    name = f"blk.{layer}.ffn_"
    if name + "gate_inp.weight" not in WEIGHTS:
        return gated(x, name)
    y, router = gated(x, name, "_shexp"), linear(x, name + "gate_inp")
    gate, up, down = (WEIGHTS[f"{name}{part}_exps.weight"] for part in ("gate", "up", "down"))
    for row, expert in enumerate(router.argmax(-1)):
        weighed = x[row] / (1 + np.exp(-router[row, expert]))
        y[row] += down[expert] @ (silu(gate[expert] @ weighed) * (up[expert] @ weighed))
    return y


def logits(tokens, chunk, length, scale):
    x = WEIGHTS["token_embd.weight"][tokens]
    for layer in range(LAYERS):
        x = x + attention(rms(x) * WEIGHTS[f"blk.{layer}.attn_norm.weight"], layer, chunk, length, scale)
        x = x + feed_forward(rms(x) * WEIGHTS[f"blk.{layer}.ffn_norm.weight"], layer)
    return linear(rms(x[-1]) * WEIGHTS["output_norm.weight"], "output")


with open(SOURCE[:-5] + ".json", encoding="utf-8") as stored:
    wanted = json.load(stored)
case = wanted["cases"][-1]
std = case.get("logits_std") or wanted["logits_std"]
usual = logits(case["tokens"], 8192, 8192, 0.1)
check("the statement in numpy is transformers'", np.abs(usual - case["logits_last"]).max() / std <= 5e-5)
short = logits(case["tokens"], 16, 4, 0.5)
check("short chunks and temperatures matter", np.abs(short - usual).max() / std > 0.1)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "short.gguf")
    rewrite(SOURCE, path, {"llama4.attention.sliding_window": 16, "llama4.attention.temperature_length": 4,
                           "llama4.attention.temperature_scale": 0.5})
    for backend, settings in CONFIGS.items():
        got = json_of("llm-logits", "--config", settings, "-m", path, "--tokens", ",".join(map(str, case["tokens"])),
                      "--chunk", 7)["logits"]
        off = np.abs(short - got).max() / std
        check(f"short chunks and temperatures on {backend}", off <= 5e-5, f"off by {off:.2e}")
finish()
