"""Check and time the kernels of attention: of one token by the number of splits, of prompts."""
import ctypes as C

import numpy as np

from bench_common import kernel


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


def on_tiles(case, cache):
    return cache == 1 and case["dim"] % 16 == case["dim_v"] % 16 == 0 and max(case["dim"], case["dim_v"]) <= 256


def together(case, tiles):
    wide = max(case["dim"], case["dim_v"])
    n = (16 if wide <= 128 else 8) if tiles else 1 if wide > 256 else 4
    while case["heads"] // case["kv"] % n:
        n -= 1
    return n


def decode_kernel(case, cache, tiles=0):
    return kernel("attention_decode.cu", BP_CACHE=cache, BP_DIM=case["dim"], BP_DIM_V=case["dim_v"],
                  BP_HEADS=together(case, tiles), BP_TILES=tiles)


def tiles_shared(case):
    return 4 * 3 * 16 * 2 * (case["dim"] + case["dim_v"] + 16)


def prefill_kernel(case):
    return kernel("attention_prefill.cu", BP_CACHE=1, BP_DIM=case["dim"], BP_DIM_V=case["dim_v"])


def prefill_shared(case):
    return 128 * (3 * (case["dim"] + 8) + 2 * (case["dim_v"] + 8))


class Cache:
    """One sequence of `length` keys in a cache of halves, for `tokens` last ones of its tokens."""

    def __init__(self, b, heads, kv, dim, tokens, length):
        d = b.d
        self.case = dict(heads=heads, kv=kv, dim=dim, dim_v=dim)
        k, v, q = d.take(length * kv * dim * 2), d.take(length * kv * dim * 2), d.take(tokens * heads * dim * 4)
        self.out = d.take(tokens * heads * dim * 4)
        h = (b.rng.standard_normal(length * kv * dim)).astype(np.float16)
        for p in (k, v):
            d.call("cuMemcpyHtoD_v2", C.c_uint64(p), h.ctypes.data_as(C.c_void_p), C.c_size_t(h.nbytes))
        d.fill(q, 0, tokens * heads * dim * 4)
        positions = d.upload((length - tokens + np.arange(tokens)).astype(np.int32))
        sequences, table = d.upload(np.zeros(tokens, np.int32)), d.upload(np.arange(length // 32, dtype=np.int32))
        lens = d.upload(np.array([length], np.int32))
        self.tail = [b.Size(None, tokens), b.Size(None, 1), heads, kv, 1, 0, 0, dim ** -0.5, 0.0, 0.0, 32, length // 32,
                     b.Size(None, length // 32)]
        self.memory = (q, k, v, positions, sequences, table, lens)
        self.inputs = [b.p(a) for a in self.memory] + [b.p(0), b.p(0)]

    def give(self, d):
        for p in (*self.memory, self.out):
            d.give(p)


def decode(b, case, cache, tokens, splits, inputs, tail, out, sinks=0, part=0, overlap=False, tiles=0):
    """attention_decode, and the merge of its splits."""
    d, heads = b.d, case["heads"]
    if splits > 1 and not part:
        part = d.take(splits * tokens * heads * (case["dim_v"] + 2) * 4)
    part = part if splits > 1 else 0
    shared = tiles_shared(case) if tiles else 0
    d.launch(b.f(decode_kernel(case, cache, tiles), "attention_decode", shared), (splits, heads // together(case, tiles), tokens), 128,
             inputs + [b.p(0 if part else out), b.p(0), b.p(0), b.p(part)] + tail, shared, overlap=overlap)
    if part:
        d.launch(b.f("attention_merge", "attention_merge"), (heads, tokens, 1), -(-case["dim_v"] // 32) * 32,
                 [b.p(part), b.p(sinks), b.p(out), b.p(0), b.p(0), b.Size(None, tokens), splits, case["dim_v"]], overlap=overlap)


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
                for splits, tiles in ((1, 0), (5, 0), (1, 1), (5, 1)):
                    if tiles and not on_tiles(case, cache):
                        continue
                    d.fill(out, 0xff, want.size * 4)
                    decode(b, case, cache, tokens, splits, [b.p(x) for x in arrays] + [b.p(psinks)], tail, out, psinks, tiles=tiles)
                    d.wait()
                    b.report(f"attention {cache} {case} tokens {tokens} splits {splits} tiles {tiles}", d.download(out, want.shape), want,
                             limit)
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


KEYS, SPLITS, TIMES = (128, 1024, 8192, 32768), (1, 2, 4, 8, 16, 32, 64), 8


def time_decode(b):
    """One token: microseconds with the merge, by the width of heads, keys and splits; the best, and its share of bandwidth."""
    d = b.d
    for heads, kv, dim in DECODE:
        part = d.take(SPLITS[-1] * heads * (dim + 2) * 4)
        for length in KEYS:
            c = Cache(b, heads, kv, dim, 1, length)
            for tiles in (0, 1):
                found = {}
                for splits in SPLITS:
                    if splits > 1 and splits * 32 > length:
                        continue
                    work = lambda: [decode(b, c.case, 1, 1, splits, c.inputs, c.tail, c.out, part=part, overlap=True, tiles=tiles)
                                    for _ in range(TIMES)]
                    found[splits] = d.time(work, 5) / TIMES
                best = min(found, key=found.get)
                print(f"attention decode {heads}/{kv}x{dim} keys {length:5} {'tiles' if tiles else 'lanes'}: "
                      + ", ".join(f"{n}: {t * 1e6:.1f}" for n, t in found.items())
                      + f" us; best {best}, {4 * length * kv * dim / found[best] / 1e12:.2f} TB/s", flush=True)
            c.give(d)
        d.give(part)


def time_prefill(b):
    d = b.d
    for heads, kv, dim, tokens, length in ((32, 8, 128, 128, 128), (32, 8, 128, 512, 512), (32, 8, 128, 512, 4096), (32, 8, 128, 4096, 4096),
                                           (32, 8, 64, 512, 512), (8, 4, 256, 512, 512), (8, 4, 256, 512, 4096)):
        c = Cache(b, heads, kv, dim, tokens, length)
        shared = prefill_shared(c.case)
        f = b.f(prefill_kernel(c.case), "attention_prefill", shared)
        t = d.time(lambda: [d.launch(f, (-(-tokens // 64), heads, 1), 128, c.inputs + [b.p(c.out)] + c.tail, shared) for _ in range(4)], 3) / 4
        seen = tokens * (length - tokens + tokens / 2)
        print(f"attention prefill {heads}/{kv}x{dim} tokens {tokens} keys {length}: {t * 1e6:.0f} us, "
              f"{4 * seen * heads * dim / t / 1e12:.0f} TFLOP/s", flush=True)
        c.give(d)


def time_attention(b):
    time_decode(b)
    time_prefill(b)


DECODE = ((32, 8, 64), (32, 8, 128), (64, 8, 128), (16, 4, 256))  # heads, KV heads, width


def want_attention():
    kernel("attention_merge.cu")
    timed = [dict(heads=heads, kv=kv, dim=dim, dim_v=dim) for heads, kv, dim in DECODE]
    for case in ATTENTION + timed:
        for cache in (0, 1, 8):
            if cache == 1 or case not in timed:
                decode_kernel(case, cache)
            if on_tiles(case, cache):
                decode_kernel(case, cache, 1)
        if case["dim"] <= 256:
            prefill_kernel(case)
