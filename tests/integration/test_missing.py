"""A file that lacks a tensor or a key that is needed: each time one clear error, and it names what is missing."""
import glob
import os
import re
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import FIXTURES, check, command, finish  # noqa: E402

# Keys with a default that files count on; what happens without them is an answer, or an error about tensors.
OPTIONAL = ("vocab_size", "rope.", "attention.causal", "pooling_type", "attention.key_length", "attention.value_length",
            "attention.head_count_kv", "expert_", "attention.recurrent_layers", "full_attention_interval", "ssm.dt_b_c_rms",
            "classifier.", "hidden_activation", "attention.sliding_window_pattern", "attention.scale", "embedding_scale",
            "residual_scale", "altup.", "embedding_length_per_layer_input", "attention.shared_kv_layers", "attention.max_alibi_bias",
            "attention.value_scale", "swiglu_clamp_", "leading_dense_block_count")
TENSORS = {"output.weight", "rope_freqs.weight"}  # the same: tied to the embedding; no factors
KEYS = {"modern-bert.attention.sliding_window"}  # the same, in these architectures alone
UNREAD = {"modern-bert.attention.layer_norm_rms_epsilon"}

PEERS = {"arctic", "dbrx", "gemma3n", "jais", "mimo2", "minicpm3", "openelm", "step35"}  # of those that are compared with llama.cpp


def names_of(data):
    """Names of keys of the architecture, and of tensors."""
    arch = re.search(rb"general\.architecture\x08\x00\x00\x00(.{8})", data, re.DOTALL)
    size = struct.unpack("<Q", arch.group(1))[0]
    prefix = data[arch.end():arch.end() + size].decode() + "."
    keys, tensors = [], []
    for found in re.finditer(rb"(?:blk\.\d+\.)?[a-z][a-z0-9_.-]{3,60}", data):
        name = found.group().decode()
        if data[found.start() - 8:found.start()] != struct.pack("<Q", len(name)):
            continue
        if name.startswith(prefix):
            keys.append(name)
        elif name.startswith("blk.") or name.endswith((".weight", ".bias")):
            tensors.append(name)
    return prefix, keys, tensors


def without(data, name):
    """The file with the key or tensor under another name."""
    old = struct.pack("<Q", len(name)) + name.encode()
    assert data.count(old) == 1, name
    return data.replace(old, old[:-1] + b"~")


def run(folder, data):
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(data)
        file.flush()
        tool = "llm-embed" if folder == "embed" else "llm-logits"
        return command(tool, "--backend", "reference", "-m", file.name, "--tokens", "5,6,7")


for folder in ("recurrent", "embed", "peer"):
    for path in sorted(glob.glob(os.path.join(FIXTURES, folder, "*.gguf"))):
        if folder == "peer" and os.path.basename(path)[:-5] not in PEERS:
            continue
        with open(path, "rb") as stored:
            whole = stored.read()
        arch, keys, tensors = names_of(whole)
        check(f"{os.path.basename(path)} was read", len(keys) > 5 and len(tensors) > 15, f"{len(keys)} {len(tensors)}")
        for name in keys + tensors:
            done = run(folder, without(whole, name))
            label = f"{os.path.basename(path)} without {name}"
            if name in TENSORS | KEYS | UNREAD or (name in keys and name[len(arch):].startswith(OPTIONAL)):
                check(label + " does not crash", done.returncode in (0, 1), done.stderr)
                continue
            last = done.stderr.strip().split("\n")[-1]
            check(label, done.returncode == 1 and name in done.stderr and last.startswith("llm-") and not done.stdout, done.stderr)
finish()
