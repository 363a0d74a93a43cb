#!/usr/bin/env python3
"""Time whole models on the card and say what share of its read bandwidth decoding reaches.

    bench_models.py BUILD MAKE_MODEL [SHAPE:TYPE...]

BUILD has bin/llm-bench and backends/cuda.so; MAKE_MODEL writes a GGUF of a SHAPE and TYPE with random weights
(MAKE_MODEL SHAPE TYPE OUT). Each model is made in memory (/dev/shm), timed and removed; one line a test. $PROMPTS is a
list of prompt lengths (512,4096), $DEPTHS of tokens in the cache before 64 are generated (none).
"""
import json
import os
import subprocess
import sys


def bench(build, path, *words):
    command = [f"{build}/bin/llm-bench", "-m", path, "--backend", os.path.abspath(f"{build}/backends/cuda.so"), "--json",
               *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print("   failed:", done.stderr.strip()[-300:], flush=True)
        return []
    found = json.loads(done.stdout)
    return found if isinstance(found, list) else found.get("tests", [])


def main():
    build, make, *models = sys.argv[1:]
    prompts = [p for p in os.environ.get("PROMPTS", "512,4096").split(",") if p]
    depths = [d for d in os.environ.get("DEPTHS", "").split(",") if d]
    for model in models or ["1b:F16", "8b:Q4_K_M", "8b:Q8_0", "8b:F16"]:
        shape, kind = model.split(":")
        path = f"/dev/shm/{shape}-{kind}.gguf"
        subprocess.run([sys.executable, make, shape, kind, path], check=True, stdout=subprocess.DEVNULL)
        tests = bench(build, path, "-p", "0", "-n", "128", "-r", "3")
        for p in prompts:
            tests += bench(build, path, "-p", p, "-n", "0", "-r", "3", "-c", str(int(p) + 64))
        for d in depths:
            tests += bench(build, path, "-p", "0", "-n", "64", "-r", "2", "-d", d, "-c", str(int(d) + 128))
        for t in tests:
            speed, share = t["tokens_per_second"], t.get("share_of_limit")
            print(f"{model:10} {t['test']:12} {speed['median']:10.1f} t/s ({speed['min']:.1f} to {speed['max']:.1f})",
                  "" if share is None else f"share {share:.2f}", flush=True)
        os.remove(path)


main()
