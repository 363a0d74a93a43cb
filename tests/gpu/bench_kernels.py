#!/usr/bin/env python3
"""Check and time single kernels of the CUDA backend against double precision.

    bench_kernels.py build DIR [NAME...]   compile the kernels that are wanted (nvcc; no card needed)
    bench_kernels.py run DIR [NAME...]     check and time them (numpy and a card)
"""
import ctypes as C
import os
import sys

import numpy as np

from bench_attention import check_attention, time_attention, want_attention
from bench_common import PLANES, QUANT, TYPES, Bench, build, kernel, plane_total


def gemv_name(types, exact=0, tokens=1, glu=0, experts=0, rows=2, depth=2, split=1, warps=8, steps=1, aligned=1):
    a, b, c = types
    return kernel("gemv.cu", BP_TYPE_A=a, BP_TYPE_B=b, BP_TYPE_C=c, BP_EXACT=exact, BP_TOKENS=tokens, BP_GLU=glu,
                  BP_EXPERTS=experts, BP_ROWS=rows, BP_DEPTH=depth, BP_SPLIT=split, BP_WARPS=warps,
                          BP_STEPS=steps, BP_ALIGNED=aligned)


def random_weight(kind, n_in, rows, rng):
    name, per, size, halves = TYPES[kind]
    if kind == 0:
        return rng.standard_normal((rows, n_in)).astype(np.float32).view(np.uint8)
    if kind == 1:
        return rng.standard_normal((rows, n_in)).astype(np.float16).view(np.uint8)
    if kind == 30:
        return (rng.standard_normal((rows,
                n_in)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    raw = rng.integers(0, 256, (rows, n_in // per, size), dtype=np.uint8)
    for h in halves:
        raw[:, :, h:h + 2] = (rng.standard_normal((rows, n_in // per, 1)) * 0.02).astype(np.float16).view(np.uint8)
    if kind == 39:
        raw[:, :, 0] = rng.integers(118, 124, raw.shape[:2])
    return raw.reshape(rows, -1)


def decode(kind, raw, n_in, quant):
    rows = raw.shape[0]
    if kind == 39:
        b = raw.reshape(rows, -1, 17)
        table = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6])
        v = np.concatenate([table[b[:, :, 1:] & 15], table[b[:, :, 1:] >> 4]], axis=2)
        return (v * 2.0 ** (b[:, :, :1].astype(np.float64) - 127)).reshape(rows, n_in)
    out = np.empty((rows, n_in), np.float32)
    raw = np.ascontiguousarray(raw)
    for r in range(rows):
        quant.bp_decode_row(kind, raw[r].ctypes.data_as(C.c_void_p), C.c_int64(n_in), out[r].ctypes.data_as(C.c_void_p))
    return out.astype(np.float64)


def check_gemv(b):
    d, rng = b.d, b.rng
    for kind in (0, 1, 30, *QUANT):
        n_in, rows = 1280, 50
        raw = random_weight(kind, n_in, rows, rng)
        w = b.packed(kind, raw, n_in, rows)
        real = decode(kind, raw, n_in, b.quant)
        for tokens in (1, 5):
            x = rng.standard_normal((tokens, n_in)).astype(np.float32)
            bias = rng.standard_normal(rows).astype(np.float32)
            px, pb, out = d.upload(x), d.upload(bias), d.take(tokens * rows * 4)
            want = x.astype(np.float64) @ real.T
            for exact in (1, 0) if kind in PLANES else (1,):
                limit = 1e-10 if exact else 3e-4
                for split, steps in ((1, 1), (2, 1)):
                    name = gemv_name((kind,) * 3, exact, 8 if tokens > 1 else 1, split=split, steps=steps)
                    d.fill(out, 0xff, tokens * rows * 4)
                    codes, scales = (px, 0) if exact else b.quantise(px, tokens, n_in)
                    b.gemv(name, codes, scales, tokens, n_in, [(w, pb, out, rows)], 8 // split * 2 * steps, 8)
                    d.wait()
                    b.report(f"gemv {TYPES[kind][0]} exact {exact} tokens {tokens} split {split}", d.download(out,
                            (tokens, rows)),
                             want + bias, limit)


def check_glu(b):
    d, rng = b.d, b.rng
    kind, n_in, rows = 12, 1280, 96
    raw, raw2 = random_weight(kind, n_in, rows, rng), random_weight(kind, n_in, rows, rng)
    w, w2 = b.packed(kind, raw, n_in, rows), b.packed(kind, raw2, n_in, rows)
    x = rng.standard_normal((1, n_in)).astype(np.float32)
    gate, up = x @ decode(kind, raw, n_in, b.quant).T, x @ decode(kind, raw2, n_in, b.quant).T
    want = gate / (1 + np.exp(-gate)) * up
    px, out, glu_codes, glu_scales = d.upload(x), d.take(rows * 4), d.take(rows), d.take(rows)
    codes, scales = b.quantise(px, 1, n_in)
    name = gemv_name((kind,) * 3, glu=1, rows=2, steps=4)
    d.fill(out, 0xff, rows * 4)
    b.gemv(name, codes, scales, 1, n_in, [(w, 0, out, rows), (w2, 0, 0, rows)], 32, 8)
    d.wait()
    b.report("gemv glu", d.download(out, (1, rows)), want, 1e-3)
    b.gemv(name, codes, scales, 1, n_in, [(w, 0, out, rows), (w2, 0, 0, rows)], 32, 8, glu=(glu_codes, glu_scales, 1,
            0.0, 0.0))
    d.wait()
    q, s = d.download(glu_codes, (rows // 32, 32), np.int8), d.download(glu_scales, (rows // 32, 2))
    b.report("gemv glu quantised", (q * s[:, :1]).reshape(1, rows), want, 1e-3)
    b.report("gemv glu sums", s[:, 1], s[:, 0] * q.sum(axis=1), 1e-10)


def check_experts(b):
    d, rng = b.d, b.rng
    kind, n_in, rows, n_expert, used, tokens = 12, 512, 24, 5, 3, 4
    raw = random_weight(kind, n_in, rows * n_expert, rng)
    w = b.packed(kind, raw, n_in, rows * n_expert)
    real = decode(kind, raw, n_in, b.quant).reshape(n_expert, rows, n_in)
    x = rng.standard_normal((tokens, n_in)).astype(np.float32)
    ids = rng.integers(0, n_expert, (tokens, used)).astype(np.int32)
    ids[1, 1], ids[2, 0] = -1, n_expert
    px, pi, out = d.upload(x), d.upload(ids), d.take(tokens * used * rows * 4)
    codes, scales = b.quantise(px, tokens, n_in)
    name = gemv_name((kind,) * 3, experts=1)
    d.fill(out, 0xff, tokens * used * rows * 4)
    b.gemv(name, codes, scales, tokens * used, n_in, [(w, 0, out, rows)], 16, 8, ids=pi, n_used=used,
            n_expert=n_expert, pairs=tokens * used)
    d.wait()
    want = np.zeros((tokens, used, rows))
    for t in range(tokens):
        for u in range(used):
            if 0 <= ids[t, u] < n_expert:
                want[t, u] = real[ids[t, u]] @ x[t].astype(np.float64)
    b.report("gemv experts", d.download(out, want.shape), want, 3e-4)


def check_gemm(b):
    d, rng = b.d, b.rng
    for kind, tokens, n_in, rows in ((12, 200, 512, 300), (1, 33, 72, 130), (30, 129, 1000, 64), (0, 70, 333, 65)):
        if kind in PLANES or n_in % 8 == 0:
            forms = ((30,) if kind == 30 else (1,)) + (0,)
        else:
            forms = (0,)
        raw = random_weight(kind, n_in, rows, rng)
        w = b.packed(kind, raw, n_in, rows)
        real = decode(kind, raw, n_in, b.quant)
        x = rng.standard_normal((tokens, n_in)).astype(np.float32)
        bias = rng.standard_normal(rows).astype(np.float32)
        px, pb, out = d.upload(x), d.upload(bias), d.take(tokens * rows * 4)
        for form in forms:
            panel, xh = d.take(rows * n_in * 4), d.take(tokens * n_in * 4)
            d.launch(b.f(kernel("matmul_unpack.cu", BP_TYPE=kind, BP_TO=form, BP_ALIGNED=int(n_in % 8 == 0)),
                    "matmul_unpack"), (7, 1, 1),
                     256, [b.p(w), n_in, rows, 0, rows, b.p(panel)])
            d.fill(out, 0xff, tokens * rows * 4)
            size = b.Size(None, tokens)
            args = [b.p(panel), b.p(xh if form else px), b.p(pb), b.p(out), n_in, rows, rows, 0, size]
            if form:
                d.launch(b.f(kernel("gemm_convert.cu", BP_TO=form), "gemm_convert"), (3, 1, 1), 256, [b.p(px),
                        b.p(xh), n_in, size])
                d.launch(b.f(kernel("gemm_half.cu", BP_BF16=int(form == 30)), "gemm_half", 65536), (-(-rows // 128),
                        -(-tokens // 128), 1), 256,
                         args, 65536)
            else:
                d.launch(b.f(kernel("gemm_float.cu"), "gemm_float"), (-(-rows // 64), -(-tokens // 64), 1), 256, args)
            d.wait()
            b.report(f"gemm {TYPES[kind][0]} as {form} {tokens}x{n_in}x{rows}", d.download(out, (tokens, rows)),
                     x.astype(np.float64) @ real.T + bias, {0: 1e-10, 1: 1e-6, 30: 1e-5}[form])


def time_few(b):
    """2 to 8 tokens in one pass over the weights."""
    d = b.d
    for kind in bench_types():
        for what, n_in, rows, form in FEW:
            n = n_in * rows // 32
            total = plane_total(kind, n)
            copies = max(1, min(64, (600 << 20) // total))
            memory = [d.take(total) for _ in range(copies)]
            for m in memory:
                d.fill(m, 0x11, total)
            x, scales, out = d.take(8 * n_in * 4), d.take(8 * n_in), d.take(rows * 8 * 4)
            d.fill(x, 0, 8 * n_in * 4), d.fill(scales, 0, 8 * n_in)
            line = []
            for tokens in (2, 4, 8):
                r, dep, s, w = form
                name = gemv_name((kind,) * 3, exact=int(kind not in PLANES), tokens=tokens, rows=r, depth=dep,
                        split=s, warps=w)

                def work():
                    for i in range(16):
                        b.gemv(name, x, scales, tokens, n_in, [(memory[i % copies], 0, out, rows)], w // s * r, w,
                                overlap=True)
                t = d.time(work, 3) / 16
                line.append(f"{tokens}: {t * 1e6:.1f} us {total / t / 1e12:.2f} TB/s")
            print(f"{TYPES[kind][0]} {what} {form}", *line, flush=True)
            for m in memory:
                d.give(m)


FEW = [(what, n_in, rows, form) for what, n_in, rows in (("qkv", 4096, 6144), ("down", 14336, 4096), ("wide", 4096,
        28672))
       for form in ((2, 1, 2, 8), (2, 2, 1, 8), (4, 1, 2, 8), (4, 1, 1, 8), (2, 1, 4, 8))]

SHAPES = (("qkv", 4096, 6144, 0), ("o", 4096, 4096, 0), ("gate up", 4096, 14336, 1), ("down", 14336, 4096, 0),
        ("output", 4096, 128256, 0))
VARIANTS = [(r, dep, s, w) for r in (1, 2, 4) for dep in (1, 2, 4) for s in (1, 2, 4) for w in (4,
        8) if r * dep in (2, 4, 8) and s <= w]


def bench_types():
    return [int(t) for t in os.environ.get("TYPES", "12,14,8,1").split(",")]


def variants():
    for kind in bench_types():
        for r, dep, s, w in VARIANTS:
            if kind == 1 and r * dep > 4 and r == 1:
                continue
            yield kind, r, dep, s, w


def glu_steps(r, s, w):
    return max(1, 32 // (w // s * (r // 2)))


def time_gemv(b, only=None):
    d = b.d
    best = {}
    for kind in bench_types():
        for what, n_in, rows, glu in SHAPES:
            if what == "output" and kind == 12:
                continue
            n = n_in * rows // 32
            total = plane_total(kind, n) * (2 if glu else 1)
            copies = max(1, min(64, (600 << 20) // total))
            memory = [d.take(plane_total(kind, n)) for _ in range(copies * (2 if glu else 1))]
            for m in memory:
                d.fill(m, 0x11, plane_total(kind, n))
            x, scales, out = d.take(n_in * 4), d.take(n_in), d.take(rows * 8)
            gc, gs = d.take(rows), d.take(rows)
            d.fill(x, 0, n_in * 4), d.fill(scales, 0, n_in)
            results = []
            for k, r, dep, s, w in variants():
                if k != kind or glu and r == 1:
                    continue
                steps = glu_steps(r, s, w) if glu else 1
                name = gemv_name((kind,) * 3, exact=int(kind not in PLANES), glu=glu, rows=r, depth=dep, split=s,
                        warps=w, steps=steps)
                per_block = w // s * (r // 2 if glu else r) * steps

                def work(overlap):
                    for i in range(max(copies, 16)):
                        i %= copies
                        parts = [(memory[2 * i], 0, out, rows), (memory[2 * i + 1], 0, 0,
                                rows)] if glu else [(memory[i], 0, out, rows)]
                        b.gemv(name, x, scales, 1, n_in, parts, per_block, w, overlap=overlap, glu=(gc, gs, 1, 0.0,
                                0.0) if glu and kind in PLANES else (0, 0, 1, 0.0, 0.0))

                n_launch = max(copies, 16)
                alone = d.time(lambda: work(False), 3) / n_launch
                over = d.time(lambda: work(True), 3) / n_launch
                results.append((over, alone, (r, dep, s, w, steps)))
            results.sort()
            print(f"{TYPES[kind][0]:6} {what:8} {total / 1e6:7.1f} MB", *(
                f"| {v}: {over * 1e6:.1f} us {total / over / 1e12:.2f} TB/s (alone {alone * 1e6:.1f}, {total / alone / 1e12:.2f})"
                for over, alone, v in results[:4]), flush=True)
            for m in memory:
                d.give(m)
    return best


def time_gemm(b):
    d = b.d
    for tokens in (512, 4096):
        for n_in, rows in ((4096, 14336), (14336, 4096), (4096, 4096)):
            w, x, out = d.take(n_in * rows * 2), d.take(tokens * n_in * 2), d.take(tokens * rows * 4)
            h = (b.rng.standard_normal(1 << 20) * 0.1).astype(np.float16)
            for p, n in ((w, n_in * rows), (x, tokens * n_in)):
                for at in range(0, n, 1 << 20):
                    m = min(1 << 20, n - at)
                    d.call("cuMemcpyHtoD_v2", C.c_uint64(p + 2 * at), h.ctypes.data_as(C.c_void_p), C.c_size_t(2 * m))
            size = b.Size(None, tokens)
            f = b.f(kernel("gemm_half.cu", BP_BF16=0), "gemm_half", 65536)
            t = d.time(lambda: [d.launch(f, (-(-rows // 128), -(-tokens // 128), 1), 256,
                                         [b.p(w), b.p(x), b.p(0), b.p(out), n_in, rows, rows, 0,
                                                 size], 65536) for _ in range(4)], 3) / 4
            print(f"gemm_half {tokens} x {n_in} x {rows}: {t * 1e6:.0f} us, {2 * tokens * n_in * rows / t / 1e12:.0f} TFLOP/s", flush=True)
            for p in (w, x, out):
                d.give(p)


def want_all():
    for kind in (0, 1, 30, *QUANT):
        for exact in (1, 0) if kind in PLANES else (1,):
            for tokens in (1, 8):
                for split in (1, 2):
                    gemv_name((kind,) * 3, exact, tokens, split=split)
        if kind in PLANES:
            kernel("matmul_pack.cu", BP_TYPE=kind)
    gemv_name((12,) * 3, glu=1, rows=2, steps=4)
    gemv_name((12,) * 3, experts=1)
    for kind, form, aligned in ((12, 1, 1), (12, 0, 1), (1, 1, 1), (1, 0, 1), (30, 30, 1), (30, 0, 1), (0, 0, 0)):
        kernel("matmul_unpack.cu", BP_TYPE=kind, BP_TO=form, BP_ALIGNED=aligned)
    for form in (1, 30):
        kernel("gemm_convert.cu", BP_TO=form), kernel("gemm_half.cu", BP_BF16=int(form == 30))
    kernel("gemm_float.cu")


def want_few():
    for kind in bench_types():
        for _, _, _, (r, dep, s, w) in FEW:
            for tokens in (2, 4, 8):
                gemv_name((kind,) * 3, exact=int(kind not in PLANES), tokens=tokens, rows=r, depth=dep, split=s,
                        warps=w)


def want_variants():
    for kind, r, dep, s, w in variants():
        for glu in (0, 1):
            if glu and r == 1:
                continue
            gemv_name((kind,) * 3, exact=int(kind not in PLANES), glu=glu, rows=r, depth=dep, split=s, warps=w,
                      steps=glu_steps(r, s, w) if glu else 1)


def main():
    what, folder = sys.argv[1:3]
    names = [a for a in sys.argv[3:] if a[0] != "-"] or ["check", "gemv", "few", "gemm", "attention"]
    if what == "build":
        if "check" in names or "gemm" in names:
            want_all()
        if "check" in names or "attention" in names:
            want_attention()
        if "gemv" in names:
            want_variants()
        if "few" in names:
            want_few()
        build(folder)
        return
    b = Bench(folder)
    print(b.d.name)
    if "check" in names:
        for check in (check_gemv, check_glu, check_experts, check_gemm, check_attention):
            try:
                check(b)
            except RuntimeError as e:
                print("WRONG", check.__name__, e)
                b.failed += 1
                if "illegal" in str(e) or "misaligned" in str(e):
                    sys.exit(1)
        print("checks failed:", b.failed)
    if "gemm" in names:
        time_gemm(b)
    if "attention" in names:
        time_attention(b)
    if "few" in names:
        time_few(b)
    if "gemv" in names:
        time_gemv(b)
    sys.exit(1 if b.failed else 0)


main()
