#!/usr/bin/env python3
"""Write tests/fixtures/samplers.txt: each step of sampling restated with numpy, from its definition and not from our
code, and draws with a restated Philox 4x32-10.

Usage: make_sampler_fixtures.py > tests/fixtures/samplers.txt

Lines: `step NAME|settings|history|logits|expected ids|expected logits`, `draws|settings|logits|ids drawn`."""
import numpy as np

N = 24
M32 = 0xFFFFFFFF


def philox(counter, key):
    x, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(q >> 32) ^ x[1] ^ k[0], q & M32, (p >> 32) ^ x[3] ^ k[1], p & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return x


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def unit(seed, i):
    x = philox([i & M32, i >> 32, 0, 0], [seed & M32, seed >> 32])
    return ((x[0] | x[1] << 32) >> 11) / 2.0 ** 53


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def sort(ids, x):
    order = np.lexsort((ids, -x))
    return ids[order], x[order]


def entropy(p):
    return -(p[p > 0] * np.log(p[p > 0])).sum()


def top_k(ids, x, s, _):
    ids, x = sort(ids, x)
    return ids[:int(s["top_k"])], x[:int(s["top_k"])]


def top_p(ids, x, s, _):
    ids, x = sort(ids, x)
    n = int(np.searchsorted(np.cumsum(softmax(x)), s["top_p"], side="left")) + 1
    return ids[:n], x[:n]


def min_p(ids, x, s, _):
    keep = softmax(x) >= s["min_p"] * softmax(x).max()
    return ids[keep], x[keep]


def typical(ids, x, s, _):
    ids, x = sort(ids, x)
    p = softmax(x)
    order = np.argsort(np.abs(-np.log(p) - entropy(p)), kind="stable")
    n = int(np.searchsorted(np.cumsum(p[order]), s["typical"], side="right")) + 1
    return ids[order[:n]], x[order[:n]]


def top_n_sigma(ids, x, s, _):
    keep = x >= x.max() - s["top_n_sigma"] * np.std(x)
    return ids[keep], x[keep]


def xtc(ids, x, s, _):  # with xtc_probability = 1
    ids, x = sort(ids, x)
    n = int((softmax(x) >= s["xtc_threshold"]).sum())
    return (ids[n - 1:], x[n - 1:]) if n >= 2 else (ids, x)


def temperature(ids, x, s, _):
    t = s["temperature"]
    if s.get("dynatemp_range", 0) > 0:
        low, high = max(0, t - s["dynatemp_range"]), t + s["dynatemp_range"]
        t = low + (high - low) * (entropy(softmax(x)) / np.log(len(x))) ** s["dynatemp_exponent"]
    return ids, (x - x.max()) / t


def penalties(ids, x, s, history):
    seen = history[-int(s["penalty_last"]):]
    out = x.copy()
    for at, i in enumerate(ids):
        count = seen.count(i)
        if count:
            out[at] = out[at] * s["repeat_penalty"] if out[at] <= 0 else out[at] / s["repeat_penalty"]
            out[at] -= count * s["frequency_penalty"] + s["presence_penalty"]
    return ids, out


def dry(ids, x, s, history):
    """For each candidate the longest sequence before an earlier place of it that is also the history's end."""
    h = history if s["dry_last"] < 0 else history[-int(s["dry_last"]):]
    out = x.copy()
    for at, i in enumerate(ids):
        longest = None
        for place, token in enumerate(h):
            if token == i and place > 0:
                length = 0
                while length < place and h[place - 1 - length] == h[-1 - length]:
                    length += 1
                longest = length if longest is None else max(longest, length)
        if longest is not None and longest >= s["dry_allowed_length"]:
            out[at] -= s["dry_multiplier"] * s["dry_base"] ** (longest - s["dry_allowed_length"])
    return ids, out


def words(values, form="%.9g"):
    return " ".join(form % v for v in values)


def settings(s):
    return " ".join(f"{k}={v}" if isinstance(v, int) else f"{k}={v:.9g}" for k, v in s.items())


def step(rng, function, s, history=()):
    x = (rng.normal(size=N) * rng.choice([1, 3, 6])).astype(np.float32)
    ids, out = function(np.arange(N), x.astype(np.float64), s, list(history))
    order = np.argsort(ids)
    print(f"step {function.__name__}|{settings(s)}|{words(history, '%d')}|{words(x)}|{words(ids[order], '%d')}|"
          f"{words(out[order])}")


def draw(seed, count, p):
    return int(np.searchsorted(np.cumsum(p), unit(seed, count) * p.sum(), side="right"))


def draws(rng, s, n=40):
    x = (rng.normal(size=N) * 3).astype(np.float32)
    seed, drawn, mu, got = int(s["seed"]), 0, 2 * s.get("mirostat_tau", 0), []
    for _ in range(n):
        ids, y = np.arange(N), x.astype(np.float64) / s["temperature"]
        if s.get("mirostat"):
            if s["mirostat"] == 2:
                keep = -np.log2(softmax(y)) <= mu
                keep = keep if keep.any() else np.arange(N) == np.argmax(y)
            else:
                ids, y = sort(ids, y)
                p = softmax(y)
                i = np.arange(min(N, 100) - 1)
                t, b = np.log((i + 2) / (i + 1)), np.log(p[i] / p[i + 1])
                zipf = (t * b).sum() / (t * t).sum()
                k = ((zipf - 1) * 2 ** mu / (1 - N ** -(zipf - 1))) ** (1 / zipf)
                keep = slice(min(max(int(k), 1), N))
            ids, y = ids[keep], y[keep]
        p = softmax(y)
        at = draw(seed, drawn, p)
        drawn += 1
        got.append(int(ids[at]))
        if s.get("mirostat"):
            mu -= s["mirostat_eta"] * (-np.log2(p[at]) - s["mirostat_tau"])
    print(f"draws|{settings(s)}|{words(x)}|{words(got, '%d')}")


def main():
    rng = np.random.default_rng(7)
    for k in (1, 5, 23, 24):
        step(rng, top_k, {"top_k": k})
    for p in (0.05, 0.5, 0.9, 0.999):
        step(rng, top_p, {"top_p": p})
        step(rng, min_p, {"min_p": p})
        step(rng, typical, {"typical": p})
    for n in (0.3, 1, 2):
        step(rng, top_n_sigma, {"top_n_sigma": n})
    for t in (0.02, 0.1, 0.4):
        step(rng, xtc, {"xtc_probability": 1, "xtc_threshold": t})
    for t in (0.3, 1.7):
        step(rng, temperature, {"temperature": t})
        for exponent in (1, 2.5):
            step(rng, temperature, {"temperature": t, "dynatemp_range": 0.5, "dynatemp_exponent": exponent})
    for last in (5, 30):
        history = rng.integers(0, N, size=20).tolist()
        step(rng, penalties, {"repeat_penalty": 1.3, "frequency_penalty": 0.2, "presence_penalty": 0.4,
                              "penalty_last": last}, history)
    for last, allowed, kinds in ((-1, 2, 3), (40, 1, 4), (-1, 3, 2), (12, 2, 2), (-1, 0, 5)):
        history = rng.integers(0, kinds, size=60).tolist()
        step(rng, dry, {"dry_multiplier": 0.8, "dry_base": 1.75, "dry_allowed_length": allowed, "dry_last": last},
             history)
    draws(rng, {"temperature": 0.8, "seed": 42})
    draws(rng, {"temperature": 1, "seed": 0x123456789ABCDE})
    for version in (1, 2):
        draws(rng, {"temperature": 1, "seed": 5, "mirostat": version, "mirostat_tau": 3, "mirostat_eta": 0.1})
        draws(rng, {"temperature": 1.5, "seed": 6, "mirostat": version, "mirostat_tau": 1.5, "mirostat_eta": 0.4})


main()
