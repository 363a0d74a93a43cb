"""cuda.so on a card made of the CPU (tests/support/emulated_cuda): tiny models, and what happens when things go wrong.

BP_SLOW=1 also runs all conformance cases and all tiny models.

usage: test_cuda_emulated.py BUILD_DIR
"""
import glob
import json
import os
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from engine import BUILD, FIXTURES, SMOLLM2, check, command, finish, ini  # noqa: E402

SLOW = os.environ.get("BP_SLOW") == "1"
EMULATOR = os.path.join(BUILD, "emulator")
MODEL = os.path.join(FIXTURES, "golden", "llama.gguf")
KERNELS = tempfile.mkdtemp()


def settings(cache="f32", **keys):
    keys = {"cache_dir": KERNELS, "libraries": EMULATOR, "activations": "f32", **keys}
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return ini(f"[engine]\nbackend = cuda\n[model]\ncache_type = {cache}\n[backend.cuda]\n{lines}")


def run(*words, **env):
    return command(*words, env=env)


def logits(config, model, tokens, *more, **env):
    return run("llm-logits", "--config", config, "-m", model, "--tokens", ",".join(map(str, tokens)), "--all", *more, **env)


def golden(model, cases, chunks, config, label, tolerance, **env):
    with open(model[:-5] + ".json", encoding="utf-8") as file:
        wanted = json.load(file)
    for index in cases:
        case = wanted["cases"][index]
        std = case.get("logits_std") or wanted["logits_std"]
        limit = max(tolerance, wanted.get("tolerance", 0))
        for chunk in chunks:
            name = f"{os.path.basename(model)} {label} case {index} chunk {chunk}"
            done = logits(config, model, case["tokens"], "--chunk", str(chunk), **env)
            if done.returncode:
                check(name, False, done.stderr[-300:])
                continue
            got = json.loads(done.stdout)["logits"]
            worst = max(abs(a - b) for a, b in zip(got[-1], case["logits_last"])) / std
            check(name, worst <= limit, f"off by {worst:.2e}")


def says(name, done, *words, status=1):
    text = done.stderr + done.stdout
    check(name, done.returncode == status and all(word in text for word in words), f"{done.returncode}: {text[-400:]}")


def sampled(model, config, n, *flags):
    done = command("llm-run", "--config", config, "-m", model, "-p", "The rain in", "-n", n, "--temperature", "0.9", *flags, errors="replace")
    return done.stdout if done.returncode == 0 else done.stderr


def sampling():
    """The likeliest tokens that the card finds give the text that the processor gives."""
    cpu = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
    for seed in ("1", "22"):
        flags = ("--seed", seed, "--top-k", "100", "--repeat-penalty", "1.1")
        text = sampled(MODEL, settings(), 16, *flags)
        check(f"sampling with seed {seed}", text == sampled(MODEL, cpu, 16, *flags) != "", text)
    if SLOW and os.path.exists(SMOLLM2):
        for seed in ("1", "22", "333"):
            text = sampled(SMOLLM2, settings(), 8, "--seed", seed)
            check(f"sampling of SmolLM2 with seed {seed}", text == sampled(SMOLLM2, cpu, 8, "--seed", seed) != "", text)


def tensor_cores():
    """The longest prompts through the half-precision products of sm_80. Pairs of tokens and experts are grouped; llama4 chooses one
    expert a token, and another one where queries and shares of attention are rounded to halves alone."""
    for name, cache, activations, tolerance in (("qwen3moe", "f32", "f32", 1e-4), ("gpt_oss_mxfp4", "f32", "q8", 1e-2),
                                                ("llama4", "f16", "q8", 1e-2)):
        golden(os.path.join(FIXTURES, "golden", name + ".gguf"), [2], (0,), settings(cache, activations=activations),
               f"{activations}, tensor cores", tolerance, EMULATED_CUDA_CAPABILITY="80")


def long_caches():
    """A token after so many that their keys are split and attended by tiles; the cache's halves may round the other way than cpu's."""
    tokens = [(7 * i + i * i) % 200 + 1 for i in range(515)]
    cpu = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f16\n[backend.cpu]\nactivations = f32\n")
    for name in ("gemma", "qwen3"):
        model, words = os.path.join(FIXTURES, "golden", name + ".gguf"), ("--context", "640", "--chunk", "514")
        wanted = json.loads(logits(cpu, model, tokens, *words).stdout)["logits"][-1]
        done = logits(settings("f16"), model, tokens, *words, EMULATED_CUDA_CAPABILITY="90")
        got = json.loads(done.stdout)["logits"][-1] if done.returncode == 0 else []
        worst = max((abs(a - b) for a, b in zip(got, wanted)), default=1e9) / statistics.pstdev(wanted)
        check(f"{name} over a long cache", worst < 2e-3, f"off by {worst:.2e} {done.stderr[-200:]}")


def packed_experts():
    """Experts' weights in other types (gate, up and down in two forms of half precision, too), near what the processor makes of the
    same file; in the grouped products' large and small tiles."""
    try:
        import gguf
        from gguf_edit import rewrite
    except ImportError:
        print("skipped: the gguf package is not installed")
        return
    kinds = gguf.GGMLQuantizationType
    cpu = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
    source, target = os.path.join(FIXTURES, "golden", "qwen3moe.gguf"), os.path.join(KERNELS, "experts.gguf")
    for first, second in ((kinds.Q8_0, kinds.BF16), (kinds.Q4_0, kinds.F16)):
        def pack(arrays, first=first, second=second):
            for name in arrays:
                if "_exps" in name:
                    kind = second if "down" in name else first
                    arrays[name] = (gguf.quants.quantize(arrays[name], kind), kind)
        rewrite(source, target, None, pack)
        tokens = [(7 * i + i * i) % 200 + 1 for i in range(70)]
        wanted = json.loads(logits(cpu, target, tokens).stdout)["logits"]
        for chunk in ("0", "60"):
            done = logits(settings(activations="q8"), target, tokens, "--chunk", chunk, EMULATED_CUDA_CAPABILITY="80")
            got = json.loads(done.stdout)["logits"] if done.returncode == 0 else []
            std = statistics.pstdev(wanted[-1])
            worst = max((abs(a - b) for x, y in zip(got, wanted) for a, b in zip(x, y)), default=1e9) / std
            check(f"experts of {first.name} and {second.name}, chunk {chunk}", worst <= 1e-2, f"off by {worst:.2e} {done.stderr[-200:]}")
    os.remove(target)


def conformance(config, least, *more, **env):
    done = run("llm-plugin-check", os.path.join(BUILD, "backends", "cuda.so"), "--json", "--config", config, *more, **env)
    report = json.loads(done.stdout)
    check(f"conformance {more} {env}", done.returncode == 0 and report["executed"] >= least and not report["failed"],
          str(report["failed"])[:500])


def launches():
    """A token of a dense model takes 5 launches a layer, one of an expert model 7, and 5 beside them."""
    for name, each in (("llama", 5), ("qwen3moe", 7)):
        done = logits(settings(), os.path.join(FIXTURES, "golden", f"{name}.gguf"), [1], EMULATED_CUDA_LOG="1")
        told = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("launch ")]
        told = told[told.index("embed"):] if "embed" in told else []
        layers = told.count("attention_decode")
        check(f"launches of {name}", 0 < layers and len(told) <= each * layers + 5, f"{len(told)} in {layers} layers: {' '.join(told)}")


def many_experts():
    """The router's blocks, of which the last one chooses, against cpu.so: 40 experts instead of 8."""
    try:
        import numpy as np
        from gguf_edit import rewrite
    except ImportError:
        print("skipped: no gguf package for a model of many experts")
        return
    random, path = np.random.default_rng(7), os.path.join(KERNELS, "many.gguf")

    def more(arrays):
        for name, array in arrays.items():
            if "_exps." in name:
                arrays[name] = np.concatenate([array * random.uniform(0.5, 1.5) for _ in range(5)]).astype(array.dtype)
            elif "ffn_gate_inp." in name:
                arrays[name] = random.standard_normal((40, array.shape[1])).astype(array.dtype)

    rewrite(os.path.join(FIXTURES, "golden", "qwen3moe.gguf"), path, {"qwen3moe.expert_count": 40}, more)
    cpu = ini("[engine]\nbackend = cpu\n[model]\ncache_type = f32\n[backend.cpu]\nactivations = f32\n")
    tokens = list(range(3, 14))
    wanted = json.loads(logits(cpu, path, tokens).stdout)["logits"]
    for label, more_keys in (("launched", {}), ("in graphs", {"graphs": "always"})):
        done = logits(settings(**more_keys), path, tokens, "--chunk", "1")
        got = json.loads(done.stdout)["logits"] if done.returncode == 0 else [[]]
        span = max(wanted[-1]) - min(wanted[-1])
        worst = max((abs(a - b) for a, b in zip(got[-1], wanted[-1])), default=span)
        check(f"many experts {label}", worst <= 1e-4 * span, f"off by {worst:.2e} of {span:.1f} {done.stderr[-200:]}")


def damage():
    """Entries of the kernel cache that are cut or empty are made anew."""
    files = sorted(glob.glob(os.path.join(KERNELS, "*.cubin")))
    check("kernels are kept on disk", len(files) > 3, f"{len(files)} files")
    check("nothing half written is left", not glob.glob(os.path.join(KERNELS, ".part*")))
    for index, path in enumerate(files):
        with open(path, "r+b") as file:
            file.truncate(100 if index % 2 else 0)
    done = logits(settings(), MODEL, [1, 2, 3])
    check("a damaged kernel cache does no harm", done.returncode == 0, done.stderr[-300:])
    made = [path for path in files if os.path.exists(path) and os.path.getsize(path) > 1000]
    check("damaged entries are made anew", len(made) > 3, f"{len(made)} of {len(files)}")


def main():
    if not os.path.exists(os.path.join(EMULATOR, "libcuda.so.1")) or not shutil.which("g++"):
        print("skipped: no cuda.so or no g++ here")
        check("nothing to do", True)
        finish()
    says("without a driver the reason is told", run("llm-run", "--config", settings(libraries="/nowhere"), "-m", MODEL, "-p", "a"),
         "NVIDIA driver")
    says("the card is listed", run("llm-run", "--config", settings(), "--list-backends"), "emulated card", "compute capability 7.0", status=0)
    golden(MODEL, [0], (0, 1), settings(), "f32", 1e-4)
    golden(MODEL, [0], (0,), settings(graphs="always"), "graphs", 1e-4)
    golden(MODEL, [0], (0, 1), settings(activations="q8"), "q8", 1e-2)
    tensor_cores()
    long_caches()
    packed_experts()
    sampling()
    launches()
    many_experts()
    says("out of memory is told", logits(settings(), MODEL, [1], "--context", "60000", "--layers", "all", EMULATED_CUDA_MEMORY="1"), "out of memory")
    says("a card that is too small leaves layers to the processor", logits(settings(), MODEL, [1], "--context", "60000",
                                                                          EMULATED_CUDA_MEMORY="1"), "run on cpu", status=0)
    says("the memory limit is told", logits(settings(memory_limit=1), MODEL, [1], "--context", "60000"), "memory_limit")
    says("a lost device is told", logits(settings(), MODEL, [1], EMULATED_CUDA_LOSE="9"), "illegal memory access", "closed")
    says("an old card is told", logits(settings(), MODEL, [1], EMULATED_CUDA_CAPABILITY="61"), "compute capability 6.1")
    says("an old driver is told", logits(settings(), MODEL, [1], EMULATED_CUDA_DRIVER="11030"), "too old", "CUDA 11.3", "11.4")
    says("a wrong card is told", logits(settings(device=3), MODEL, [1]), "device = 3")
    says("a wrong word is told", logits(settings(activations="f64"), MODEL, [1]), "activations = f64")
    says("an unknown key is told", logits(settings(aktivations="f32"), MODEL, [1]), "aktivations")
    damage()
    if SLOW:
        for model in sorted(glob.glob(os.path.join(FIXTURES, "golden", "*.gguf")) + glob.glob(os.path.join(FIXTURES, "peer", "*.gguf"))):
            golden(model, [0, 1], (0, 7, 1), settings(), "f32", 1e-4)
        plain = {"activations": "q8"}
        conformance(settings(**plain), 2000)
        conformance(settings(**plain, graphs="always"), 2000)
        for op in ("ATTENTION", "MATMUL", "MATMUL_EXPERTS"):
            conformance(settings(**plain), 100, "--op", op, "--each", "1", EMULATED_CUDA_CAPABILITY="80")
    else:
        print("skipped: conformance and all models on the emulated card (BP_SLOW=1 runs them)")
    shutil.rmtree(KERNELS)
    finish()


main()
