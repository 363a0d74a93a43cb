"""Other ways in which files hold the same model: each must give the same logits. Needs the `gguf` package."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import FIXTURES, check, command, finish, ini, json_of  # noqa: E402

try:
    import numpy as np
    from gguf_edit import rewrite
except ImportError:
    print("skipped: the gguf package is not installed")
    sys.exit(77)

TOLERANCE = 5e-5  # of the logits' standard deviation
EXACT = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
TEXT = ",".join(str(i * 37 % 300) for i in range(48))
FOLDER = tempfile.TemporaryDirectory()


def path_of(name):
    paths = [os.path.join(FIXTURES, folder, name + ".gguf") for folder in ("golden", "recurrent")]
    return next(path for path in paths if os.path.exists(path))


def same(name, what, keys=None, tensors=None):
    with open(path_of(name)[:-5] + ".json", encoding="utf-8") as file:
        wanted = json.load(file)
    case = wanted["cases"][1]
    target = os.path.join(FOLDER.name, "model.gguf")
    rewrite(path_of(name), target, keys, tensors)
    got = json_of("llm-logits", "--config", EXACT, "-m", target, "--tokens", ",".join(map(str, case["tokens"])), "--chunk", 7)["logits"]
    worst = max(abs(a - b) for a, b in zip(got, case["logits_last"])) / (case.get("logits_std") or wanted["logits_std"])
    check(f"{name}: {what}", worst <= TOLERANCE, f"off by {worst:.2e}")


def alike(name, what, one, other):
    """Two ways to write a model down, each (keys, tensors), whose logits must be equal."""
    rows = []
    for keys, tensors in (one, other):
        target = os.path.join(FOLDER.name, "model.gguf")
        rewrite(path_of(name), target, keys, tensors)
        rows.append(json_of("llm-logits", "--config", EXACT, "-m", target, "--tokens", TEXT, "--all")["logits"])
    check(f"{name}: {what}", rows[0] == rows[1])


def without(part):
    def change(arrays):
        for name in [n for n in arrays if part in n]:
            del arrays[name]
    return change


def zeroed(part):
    def change(arrays):
        for name in [n for n in arrays if part in n]:
            arrays[name] = np.zeros_like(arrays[name])
    return change


def expanded_latents(arrays):
    """attn_kv_b as files before key_length_mla have it, out of attn_k_b [heads, latent, plain] and attn_v_b [heads, v, latent]."""
    for name in [n for n in arrays if "attn_k_b" in n]:
        k, v = arrays.pop(name), arrays.pop(name.replace("attn_k_b", "attn_v_b"))
        kv = np.concatenate([k.transpose(0, 2, 1), v], axis=1)
        arrays[name.replace("attn_k_b", "attn_kv_b")] = kv.reshape(-1, kv.shape[2])


def one_matrix(arrays):
    for name in [n for n in arrays if ".attn_q." in n]:
        parts = [arrays.pop(name.replace(".attn_q.", f".attn_{part}.")) for part in "qkv"]
        arrays[name.replace(".attn_q.", ".attn_qkv.")] = np.concatenate(parts, axis=0)


def joined_experts(arrays):
    """The gates and ups of experts in one tensor, gates first."""
    for name in [n for n in arrays if ".ffn_gate_exps." in n]:
        parts = [arrays.pop(name), arrays.pop(name.replace("_gate_", "_up_"))]
        arrays[name.replace("_gate_", "_gate_up_")] = np.concatenate(parts, axis=1)


def three_matrices(widths):
    def change(arrays):
        for name in [n for n in arrays if ".attn_qkv." in n]:
            whole, at = arrays.pop(name), 0
            for part, width in zip("qkv", widths):
                arrays[name.replace(".attn_qkv.", f".attn_{part}.")] = whole[at:at + width]
                at += width
    return change


def joined_by_key_heads(arrays, heads=2, width=16):
    """ssm_in as older files of qwen3next have it: for each key head its q and k, then the v and the gates of its heads."""
    for name in [n for n in arrays if ".attn_gate." in n]:
        qkv, gates, keys = arrays.pop(name.replace("attn_gate", "attn_qkv")), arrays.pop(name), heads * width
        parts = [part.reshape(heads, -1, part.shape[1]) for part in (qkv[:keys], qkv[keys:2 * keys], qkv[2 * keys:], gates)]
        whole = np.concatenate(parts, axis=1)
        arrays[name.replace("attn_gate", "ssm_in")] = whole.reshape(-1, whole.shape[2])


for model, lengths in (("deepseek2", (24, 16)), ("deepseek3", (32, 16))):
    same(model, "K and V made for every head", {
        "deepseek2.attention.key_length_mla": None, "deepseek2.attention.value_length_mla": None,
        "deepseek2.attention.key_length": lengths[0], "deepseek2.attention.value_length": lengths[1],
        "deepseek2.attention.head_count_kv": 4}, expanded_latents)
same("qwen2", "q, k, v in one matrix", tensors=one_matrix)
same("phi2", "q, k, v in one matrix", tensors=one_matrix)
for model in ("qwen3moe", "deepseek3", "gpt_oss"):
    same(model, "gate and up of experts in one tensor", tensors=joined_experts)
same("gpt2", "q, k, v in three matrices", tensors=three_matrices((64, 64, 64)))
same("phi3", "q, k, v in three matrices", tensors=three_matrices((64, 32, 32)))
same("llama_tied", "a number a layer", {"llama.attention.head_count": [8, 8], "llama.attention.head_count_kv": [2, 2],
                                   "llama.feed_forward_length": [96, 96]})
same("gemma3", "the period of windows", {"gemma3.attention.sliding_window_pattern": 6})
same("gemma3", "windows layer by layer", {"gemma3.attention.sliding_window_pattern": [True] * 5 + [False, True]})
same("olmo3", "the usual period of windows", {"olmo2.attention.sliding_window_pattern": None})
same("smollm3", "a tied output of its own", tensors=lambda arrays: arrays.update({"output.weight": arrays["token_embd.weight"]}))

same("qwen3next", "projections joined by key heads", tensors=joined_by_key_heads)
same("qwen3next", "the interval of full attention alone", {"qwen3next.attention.recurrent_layers": None})
same("lfm2", "the output's norm under its usual name", tensors=lambda arrays: arrays.update({"output_norm.weight": arrays.pop("token_embd_norm.weight")}))
same("glm4moe", "a layer that drafts tokens", {"glm4moe.block_count": 3, "glm4moe.nextn_predict_layers": 1},
     lambda arrays: arrays.update({"blk.2.nextn.enorm.weight": np.ones(32, dtype=np.float32)}))

for model in ("qwen2", "qwen2moe", "gpt_oss", "phi2"):
    for part in "qkv":
        alike(model, f"no biases of {part}", (None, without(f"attn_{part}.bias")), (None, zeroed(f"attn_{part}.bias")))
alike("gemma3", "no window", ({"gemma3.attention.sliding_window": None}, None),
      ({"gemma3.attention.sliding_window": 64, "gemma3.rope.freq_base_swa": 1e6}, None))
alike("granite", "no multipliers", ({f"granite.{key}": None for key in ("embedding_scale", "residual_scale", "attention.scale")}, None),
      ({"granite.embedding_scale": 1.0, "granite.residual_scale": 1.0, "granite.attention.scale": 0.25}, None))

target = os.path.join(FOLDER.name, "model.gguf")
rewrite(path_of("qwen2"), target, tensors=lambda arrays: arrays.update({"blk.0.strange.weight": np.zeros((2, 4), dtype=np.float32)}))
done = command("llm-logits", "-m", path_of("gpt2"), "--tokens", "1", "--context", 300)
check("a context beyond the learned positions is refused", done.returncode == 1 and "256 positions" in done.stderr, done.stderr)
done = command("llm-logits", "-m", target, "--tokens", "1", "--verbose")
check("a tensor that nothing reads is named", done.returncode == 0 and "blk.0.strange.weight" in done.stderr, done.stderr)
finish()
