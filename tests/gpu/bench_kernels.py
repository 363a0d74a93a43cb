#!/usr/bin/env python3
"""Check and time single kernels of the CUDA backend against double precision.

    bench_kernels.py build DIR [NAME...]   compile the kernels that are wanted (nvcc; no card needed)
    bench_kernels.py run DIR [NAME...]     check and time them (numpy and a card)
"""
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


def half_rows(x, kind):
    """Rows as a cache of this type has them, and the values that it holds."""
    if kind == 0:
        return x.astype(np.float32), x.astype(np.float32).astype(np.float64)
    if kind == 1:
        h = x.astype(np.float16)
        return h, h.astype(np.float64)
    b = x.astype(np.float32).reshape(*x.shape[:-1], -1, 32)
    d = (np.abs(b).max(axis=-1, keepdims=True) / 127).astype(np.float16)
    q = np.rint(b / d.astype(np.float32)).clip(-127, 127).astype(np.int8)
    raw = np.concatenate([d.view(np.uint8), q.view(np.uint8)], axis=-1)
    return np.ascontiguousarray(raw), (q * d.astype(np.float64)).reshape(x.shape)


def attention_want(q, k, v, case, positions, sequences, table, lens, starts, sinks):
    tokens, heads, dim = q.shape
    out = np.zeros((tokens, heads, v.shape[-1]))
    block, n_blocks = k.shape[2], k.shape[0]
    for t in range(tokens):
        s, p = sequences[t], positions[t]
        j = np.arange(lens[s])
        ids = table[s][j // block]
        good = (ids >= 0) & (ids < n_blocks)
        pk = starts[s] + j
        if case["causal"]:
            good &= pk <= p
            if case["window"]:
                good &= p - pk < case["window"]
            if case["chunk"]:
                good &= pk // case["chunk"] == p // case["chunk"]
        elif case["window"]:
            good &= np.abs(p - pk) <= case["window"] // 2
        j, ids, pk = j[good], ids[good], pk[good]
        for h in range(heads):
            g = h // (heads // case["kv"])
            score = k[ids, g, j % block] @ q[t, h] * case["scale"]
            if case["softcap"]:
                score = case["softcap"] * np.tanh(score / case["softcap"])
            if case["alibi"]:
                n = 1 << (heads.bit_length() - 1)
                e = case["alibi"] * (h + 1) / n if h < n else case["alibi"] * (2 * (h - n) + 1) / (2 * n)
                score -= 2.0 ** -e * np.abs(pk - p)
            if len(j) == 0:
                continue
            top = max(score.max(), sinks[h] if sinks is not None else -np.inf)
            e = np.exp(score - top)
            total = e.sum() + (np.exp(sinks[h] - top) if sinks is not None else 0)
            out[t, h] = e @ v[ids, g, j % block] / total
    return out


ATTENTION = [dict(heads=h, kv=kv, dim=d, dim_v=dv, causal=c, window=w, chunk=ch, scale=d ** -0.5, softcap=float(sc),
        alibi=float(al))
             for h, kv, d, dv, c, w, ch, sc, al in (
                 (8, 2, 128, 128, 1, 0, 0, 0, 0), (8, 2, 64, 64, 1, 0, 0, 0, 0), (6, 3, 32, 64, 1, 5, 0, 0, 0), (4,
                         1, 64, 32, 1, 0, 8, 20, 0),
                 (6, 2, 32, 32, 1, 0, 0, 0, 8), (4, 2, 96, 96, 0, 6, 0, 0, 0), (5, 5, 32, 32, 1, 7, 0, 30, 4), (8, 1,
                         256, 256, 1, 0, 0, 0, 0),
                 (4, 2, 32, 32, 0, 0, 0, 0, 0), (4, 1, 576, 512, 1, 0, 0, 0, 0))]


def together(case):
    n = 1 if max(case["dim"], case["dim_v"]) > 256 else 4
    while case["heads"] // case["kv"] % n:
        n -= 1
    return n


def decode_kernel(case, cache):
    return kernel("attention_decode.cu", BP_CACHE=cache, BP_DIM=case["dim"], BP_DIM_V=case["dim_v"],
            BP_HEADS=together(case))


def prefill_kernel(case):
    return kernel("attention_prefill.cu", BP_CACHE=1, BP_DIM=case["dim"], BP_DIM_V=case["dim_v"])


def prefill_shared(case):
    return 128 * (3 * (case["dim"] + 8) + 2 * (case["dim_v"] + 8))


def check_attention(b):
    d, rng = b.d, b.rng
    block, n_blocks, width = 16, 40, 12
    for case in ATTENTION:
        for cache in (0, 1, 8):
            for tokens, with_sinks in ((1, 0), (7, 1), (130, 1), (100, 0)):
                k, kr = half_rows(rng.standard_normal((n_blocks, case["kv"], block, case["dim"])), cache)
                v, vr = half_rows(rng.standard_normal((n_blocks, case["kv"], block, case["dim_v"])), cache)
                q = (rng.standard_normal((tokens, case["heads"], case["dim"]))).astype(np.float32)
                n_seq = min(3, tokens)
                table = np.stack([rng.permutation(n_blocks)[:width] for _ in range(n_seq)]).astype(np.int32)
                if tokens == 7:
                    table[1, 1] = n_blocks + 5
                lens = np.array([150, 77, 191][:n_seq], np.int32)
                starts = np.array([0, 3, 5][:n_seq], np.int32)
                sequences = np.sort(np.arange(tokens) % n_seq).astype(np.int32)
                if tokens == 130:
                    sequences = (np.arange(tokens) // 5 % n_seq).astype(np.int32)
                positions = np.array([starts[s] + lens[s] - 1 - (i % 60 if tokens > 1 else 0) for i,
                        s in enumerate(sequences)], np.int32)
                sinks = rng.standard_normal(case["heads"]).astype(np.float32) if with_sinks else None
                want = attention_want(q, kr, vr, case, positions, sequences, table, lens, starts, sinks)
                arrays = [d.upload(a) for a in (q, k, v, positions, sequences, table, lens, starts)]
                psinks = d.upload(sinks) if with_sinks else 0
                out = d.take(want.size * 4)
                tail = [b.Size(None, tokens), b.Size(None, n_seq), case["heads"], case["kv"], case["causal"],
                        case["window"], case["chunk"],
                        case["scale"], case["softcap"], case["alibi"], block, n_blocks, b.Size(None, width)]
                limit = {0: 1e-9, 1: 1e-6, 8: 1e-6}[cache]
                for splits in (1, 5):
                    d.fill(out, 0xff, want.size * 4)
                    part = d.take(splits * tokens * case["heads"] * (case["dim_v"] + 2) * 4) if splits > 1 else 0
                    d.launch(b.f(decode_kernel(case, cache), "attention_decode"), (splits,
                            case["heads"] // together(case), tokens), 128,
                             [b.p(a) for a in arrays] + [b.p(psinks), b.p(0 if part else out), b.p(part)] + tail)
                    if part:
                        d.launch(b.f("attention_merge", "attention_merge"), (case["heads"], tokens, 1),
                                -(-case["dim_v"] // 32) * 32,
                                 [b.p(part), b.p(psinks), b.p(out), b.p(0), b.p(0), b.Size(None, tokens), splits,
                                         case["dim_v"]])
                    d.wait()
                    b.report(f"attention {cache} {case} tokens {tokens} splits {splits}", d.download(out,
                            want.shape), want, limit)
                if cache == 1 and max(case["dim"], case["dim_v"]) <= 256:
                    d.fill(out, 0xff, want.size * 4)
                    shared = prefill_shared(case)
                    d.launch(b.f(prefill_kernel(case), "attention_prefill", shared), (-(-tokens // 64),
                            case["heads"], 1), 128,
                             [b.p(a) for a in arrays] + [b.p(psinks), b.p(out)] + tail, shared)
                    d.wait()
                    b.report(f"attention prefill {case} tokens {tokens}", d.download(out, want.shape), want, limit)
                for a in (*arrays, psinks, out):
                    if a:
                        d.give(a)


def time_attention(b):
    d = b.d
    for heads, kv, dim, tokens, length in ((32, 8, 128, 1, 128), (32, 8, 128, 1, 1024), (32, 8, 128, 1, 32768), (32,
            8, 64, 1, 1024),
                                           (64, 8, 128, 1, 1024), (32, 8, 128, 512, 512), (32, 8, 128, 512,
                                                   4096), (32, 8, 128, 4096, 4096)):
        case = dict(heads=heads, kv=kv, dim=dim, dim_v=dim)
        block, blocks = 32, length // 32
        k, v = d.take(length * kv * dim * 2), d.take(length * kv * dim * 2)
        q, out = d.take(tokens * heads * dim * 4), d.take(tokens * heads * dim * 4)
        h = (b.rng.standard_normal(length * kv * dim)).astype(np.float16)
        for p in (k, v):
            d.call("cuMemcpyHtoD_v2", C.c_uint64(p), h.ctypes.data_as(C.c_void_p), C.c_size_t(h.nbytes))
        d.fill(q, 0, tokens * heads * dim * 4)
        positions = d.upload((length - tokens + np.arange(tokens)).astype(np.int32))
        sequences, table = d.upload(np.zeros(tokens, np.int32)), d.upload(np.arange(blocks, dtype=np.int32))
        lens = d.upload(np.array([length], np.int32))
        tail = [b.Size(None, tokens), b.Size(None, 1), heads, kv, 1, 0, 0, dim ** -0.5, 0.0, 0.0, block, blocks,
                b.Size(None, blocks)]
        inputs = [b.p(a) for a in (q, k, v, positions, sequences, table, lens, 0, 0)]
        if tokens == 1:
            splits = 64
            part = d.take(splits * heads * (dim + 2) * 4)
            case["heads"] = heads

            def work():
                for _ in range(8):
                    d.launch(b.f(decode_kernel(case, 1), "attention_decode"), (splits, heads // together(case), 1), 128,
                             inputs + [b.p(0), b.p(part)] + tail, overlap=True)
                    d.launch(b.f("attention_merge", "attention_merge"), (heads, 1, 1), dim,
                             [b.p(part), b.p(0), b.p(out), b.p(0), b.p(0), b.Size(None, 1), splits, dim], overlap=True)
            t = d.time(work, 5) / 8
            print(f"attention decode {heads}/{kv}x{dim} keys {length}: {t * 1e6:.1f} us with merge, {2 * length * kv * dim * 2 / t / 1e12:.2f} TB/s", flush=True)
        else:
            shared = prefill_shared(case)
            f = b.f(prefill_kernel(case), "attention_prefill", shared)
            t = d.time(lambda: [d.launch(f, (-(-tokens // 64), heads, 1), 128, inputs + [b.p(out)] + tail,
                    shared) for _ in range(4)], 3) / 4
            seen = tokens * (length - tokens + tokens / 2)
            print(f"attention prefill {heads}/{kv}x{dim} tokens {tokens} keys {length}: {t * 1e6:.0f} us, {4 * seen * heads * dim / t / 1e12:.0f} TFLOP/s", flush=True)


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
    kernel("attention_merge.cu")
    for case in ATTENTION + [dict(heads=32, kv=8, dim=128, dim_v=128), dict(heads=32, kv=8, dim=64, dim_v=64)]:
        for cache in (0, 1, 8):
            decode_kernel(case, cache)
        if case["dim"] <= 256:
            prefill_kernel(case)


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


def main():
    what, folder = sys.argv[1:3]
    names = [a for a in sys.argv[3:] if a[0] != "-"] or ["check", "gemv", "few", "gemm", "attention"]
    if what == "build":
        if "check" in names or "gemm" in names:
            want_all()
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
