"""What the benchmarks of kernels share: tensor types, kernels by name and options, a card with arrays on it."""
import ctypes as C
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TYPES = {  # id: (name, values a block, bytes a block, byte offsets of halves)
    0: ("F32", 1, 4, []), 1: ("F16", 1, 2, []), 30: ("BF16", 1, 2, []),
    2: ("Q4_0", 32, 18, [0]), 3: ("Q4_1", 32, 20, [0, 2]), 6: ("Q5_0", 32, 22, [0]), 7: ("Q5_1", 32, 24, [0, 2]),
    8: ("Q8_0", 32, 34, [0]), 10: ("Q2_K", 256, 84, [80, 82]), 11: ("Q3_K", 256, 110, [108]),
    12: ("Q4_K", 256, 144, [0, 2]), 13: ("Q5_K", 256, 176, [0, 2]), 14: ("Q6_K", 256, 210, [208]),
    39: ("MXFP4", 32, 17, []),
}
PLANES = {2: (128, 16), 3: (128, 32), 6: (128, 32, 16), 7: (128, 32, 32), 8: (256, 16), 10: (64, 16, 4),
          11: (64, 32, 12, 2), 12: (128, 16), 13: (128, 16, 32), 14: (128, 64, 16, 2), 39: (128, 8)}
QUANT = sorted(PLANES)
NEEDED = {}  # cubin name: (source, options)


def kernel(source, **options):
    name = source.split(".")[0] + "".join(f"_{k.replace('BP_', '')}{v}" for k, v in options.items())
    NEEDED[name] = (source, [f"-D{k}={v}" for k, v in options.items()])
    return name


def plane_total(kind, n_blocks):
    if kind not in PLANES:
        return n_blocks * 32 * TYPES[kind][2]
    return sum(-(-(-(-n_blocks * b // 8)) // 256) * 256 for b in PLANES[kind])


class Bench:
    def __init__(self, folder):
        from cuda_driver import Driver, Size
        self.folder, self.d, self.Size = folder, Driver(), Size
        self.quant = C.CDLL(os.path.join(folder, "libquant.so"))
        self.functions = {}
        self.failed = 0
        self.rng = np.random.default_rng(3)

    def f(self, name, entry, shared=0):
        if name not in self.functions:
            self.functions[name] = self.d.function(os.path.join(self.folder, name + ".cubin"), entry, shared)
        return self.functions[name]

    def p(self, address):
        return ("p", address)

    def report(self, what, out, want, limit):
        error = float(((out - want) ** 2).sum() / max((want ** 2).sum(), 1e-300))
        good = error < limit
        self.failed += not good
        if not good or "-v" in sys.argv:
            print(f"{'ok' if good else 'WRONG'}  {what}: {error:.2e}", flush=True)
            if not good and self.failed < 6:
                off = np.abs(out - want).ravel()
                bad = np.argsort(-np.nan_to_num(off, nan=1e30))[:6]
                print("   at", [tuple(int(k) for k in np.unravel_index(i, want.shape)) for i in bad],
                        out.ravel()[bad], want.ravel()[bad])

    def packed(self, kind, raw, n_in, rows):
        d = self.d
        source = d.upload(raw)
        if kind not in PLANES:
            return source
        n = rows * n_in // 32
        to = d.take(plane_total(kind, n))
        d.launch(self.f(kernel("matmul_pack.cu", BP_TYPE=kind), "matmul_pack"), (min((n + 255) // 256, 4096), 1, 1),
                256,
                 [self.p(source), ("q", 0), ("q", rows), ("q", n_in), ("q", rows), self.p(to)])
        d.wait()
        d.give(source)
        return to

    def gemv(self, name, x, scales, tokens, n_in, parts, blocks, warps, ids=0, n_used=1, n_expert=1, glu=(0, 0, 1,
            0.0, 0.0), pairs=1,
             overlap=False):
        """parts: up to three (weight, bias, out, rows); blocks: rows a block for each."""
        parts = parts + [(0, 0, 0, 0)] * (3 - len(parts))
        grid = sum(-(-p[3] // blocks) for p in (parts[:1] if "GLU1" in name else parts))
        args = [self.p(x), self.p(scales), self.Size(None, tokens), n_in]
        for w, b, o, r in parts:
            args += [self.p(w), self.p(b), self.p(o), r]
        args += [self.p(ids), n_used, n_expert, self.p(glu[0]), self.p(glu[1]), glu[2], glu[3], glu[4]]
        self.d.launch(self.f(name, "gemv"), (grid, pairs, 1), 32 * warps, args, overlap=overlap)

    def quantise(self, x, rows, n):
        codes, scales = self.d.take(rows * n), self.d.take(rows * n // 4)
        self.d.launch(self.f("bench_quantise", "bench_quantise"), (rows * n // 256 + 1, 1, 1), 256,
                      [self.p(x), self.p(codes), self.p(scales), rows * n])
        return codes, scales


QUANTISE = """
#include "quantise_block.cuh"
extern "C" __global__ void bench_quantise(const float *x, int8_t *codes, float2 *scales, int n) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i / 32 * 32 < n) bp_quantise(x[i], codes + i / 32 * 32, scales + i / 32);
}
"""


def build(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "bench_quantise.cu"), "w") as f:
        f.write(QUANTISE)
    NEEDED["bench_quantise"] = (os.path.join(os.path.abspath(folder), "bench_quantise.cu"), [])
    kernels = os.path.join(TOP, "backends/cuda/kernels")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", f"-I{TOP}", f"-I{TOP}/include", "-o", f"{folder}/libquant.so",
                    f"{TOP}/core/quant/decode.c", "-lm"], check=True)

    def one(item):
        name, (source, options) = item
        out = f"{folder}/{name}.cubin"
        newest = max(os.path.getmtime(os.path.join(kernels, f)) for f in os.listdir(kernels))
        if os.path.exists(out) and os.path.getmtime(out) > newest:
            return
        subprocess.run(["nvcc", "-arch=sm_90", f"-I{TOP}/include", f"-I{kernels}", "-Werror", "all-warnings",
                *options, "-cubin", "-o", out,
                        os.path.join(kernels, source)], check=True)

    with ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        list(pool.map(one, NEEDED.items()))
    print(len(NEEDED), "kernels")
