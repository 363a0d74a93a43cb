"""Every CUDA kernel compiles: with NVRTC, as cuda.so does it, and with nvcc, all warnings being errors. No card is needed.

A kernel's options stand in its comment: "// options: -DTYPE=0|1|8 -DMODE=a|b" means all combinations; @weights are the types
that a weight may have. By default the first and last of each file are compiled; BP_SLOW=1 compiles all, for sm_80 and sm_90.

usage: test_cuda_kernels.py BUILD_DIR
"""
import ctypes
import glob
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KERNELS = os.path.join(ROOT, "backends", "cuda", "kernels")
SLOW = os.environ.get("BP_SLOW") == "1"
HOMES = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
failed = []


def weight_types():
    with open(os.path.join(ROOT, "include", "backplane", "tensor_types.def"), encoding="utf-8") as file:
        rows = re.findall(r"^BP_TENSOR_TYPE\((\w+), (\d+),", file.read(), re.M)
    return [number for name, number in rows if name != "I32"]


def variants(text):
    found = []
    for line in re.findall(r"^// options: (.*)$", text, re.M):
        choices = []
        for flag in line.split():
            name, values = flag.split("=")
            values = weight_types() if values == "@weights" else values.split("|")
            choices.append([f"{name}={value}" for value in values])
        found += [list(flags) for flags in itertools.product(*choices)]
    return found or [[]]


def jobs():
    for path in sorted(glob.glob(os.path.join(KERNELS, "*.cu"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        options = variants(text)
        for flags in options if SLOW or len(options) < 2 else [options[0], options[-1]]:
            yield path, text, flags


def load_nvrtc():
    names = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]
    paths = names + [os.path.join(home, lib, name) for home in HOMES if home for lib in ("lib64", "lib") for name in names]
    for path in paths:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def headers():
    """Name and text of each header, as cuda.so gives them to NVRTC."""
    found = {b"stdint.h": b"", b"stddef.h": b""}
    for pattern in ("*.cuh", "*.h"):
        for path in glob.glob(os.path.join(KERNELS, pattern)):
            with open(path, "rb") as file:
                found[os.path.basename(path).encode()] = file.read()
    for path in glob.glob(os.path.join(ROOT, "include", "backplane", "*")):
        if path.endswith((".def", "blocks.h", "ops.h")):
            with open(path, "rb") as file:
                found[b"backplane/" + os.path.basename(path).encode()] = file.read()
    return found


def nvrtc_compile(rtc, texts, job, arch):
    path, text, flags = job
    program = ctypes.c_void_p()
    names = (ctypes.c_char_p * len(texts))(*texts.keys())
    bodies = (ctypes.c_char_p * len(texts))(*texts.values())
    rtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), os.path.basename(path).encode(), len(texts), bodies, names)
    options = [f"--gpu-architecture={arch}", "--std=c++17", "-DBP_NVRTC=1"] + flags
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    result = rtc.nvrtcCompileProgram(program, len(options), array)
    if result:
        size = ctypes.c_size_t()
        rtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value + 1)
        rtc.nvrtcGetProgramLog(program, log)
        failed.append(f"NVRTC {arch} {os.path.basename(path)} {' '.join(flags)}:\n{log.value.decode()[:1500]}")
    rtc.nvrtcDestroyProgram(ctypes.byref(program))


def nvcc_compile(nvcc, job, folder):
    path, _, flags = job
    done = subprocess.run([nvcc, "-arch=sm_90a", "-Werror", "all-warnings", "-Xcompiler", "-Wall", "--std=c++17", "-cubin", "-I",
                           os.path.join(ROOT, "include"), "-I", KERNELS, *flags, path, "-o",
                           os.path.join(folder, f"{abs(hash((path, tuple(flags))))}.cubin")],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        failed.append(f"nvcc {os.path.basename(path)} {' '.join(flags)}:\n{done.stderr[:1500]}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not os.path.exists(os.path.join(sys.argv[1], "backends", "cuda.so")):
        print("skipped: this build has no cuda.so (the toolkit's headers were not found)")
        return
    rtc, work, count = load_nvrtc(), list(jobs()), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        if rtc:
            texts = headers()
            for arch in ["sm_80", "sm_90a"]:
                chosen = work if SLOW or arch == "sm_90a" else work[::4]
                list(pool.map(lambda job, arch=arch: nvrtc_compile(rtc, texts, job, arch), chosen))
                count += len(chosen)
        else:
            print("skipped: NVRTC is not installed, so kernels are not compiled with it")
        nvcc = shutil.which("nvcc") or next((f"{home}/bin/nvcc" for home in HOMES if home and os.path.exists(f"{home}/bin/nvcc")), None)
        if nvcc:
            seen, chosen = set(), []
            for job in work:
                if SLOW or job[0] not in seen:
                    chosen.append(job)
                seen.add(job[0])
            with tempfile.TemporaryDirectory() as folder:
                list(pool.map(lambda job: nvcc_compile(nvcc, job, folder), chosen if SLOW else chosen[:: max(1, len(chosen) // 6)]))
            count += len(chosen) if SLOW else len(chosen[:: max(1, len(chosen) // 6)])
        else:
            print("skipped: nvcc is not installed, so kernels are not compiled with it")
    for text in failed:
        print(text)
    if not SLOW:
        print("skipped: most sets of options (BP_SLOW=1 compiles all)")
    print(f"{count - len(failed)} compiled, {len(failed)} failed")
    sys.exit(1 if failed or (rtc and not count) else 0)


main()
