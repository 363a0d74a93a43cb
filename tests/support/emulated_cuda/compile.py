"""compile.py FOLDER NAME FLAG…: compile FOLDER/NAME (CUDA C) as C++ to FOLDER/out.so; messages go to stderr."""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
folder, name, flags = sys.argv[1], sys.argv[2], sys.argv[3:]


def prepare(text):
    """Dynamic shared memory becomes a pointer."""
    return re.sub(r"extern\s+__shared__\s+([^;]*?)(\w+)\s*\[\]\s*;", r"\1 *\2 = (\1 *)bp_em->shared;", text)


for path in glob.glob(os.path.join(folder, "**", "*.*"), recursive=True):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(prepare(text))
with open(os.path.join(folder, name), encoding="utf-8") as file:
    source = file.read()
kernels = re.findall(r"__global__\s+void\s+(?:BOUNDS\s+|__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(", re.sub(r"//.*", "", source))
with open(os.path.join(folder, "whole.cpp"), "w", encoding="utf-8") as file:
    file.write(f'#include "{HERE}/emulate.h"\n#include "{name}"\n')
    file.writelines(f"BP_EM_KERNEL({kernel})\n" for kernel in kernels)
for empty in ("stdint.h", "stddef.h"):
    if os.path.exists(os.path.join(folder, empty)):
        os.remove(os.path.join(folder, empty))
defines = [flag for flag in flags if flag.startswith("-D") and "BP_NVRTC" not in flag]
done = subprocess.run(["g++", "-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-fvisibility=hidden", "-mf16c", "-ffp-contract=off",
                       "-I", folder, *defines, os.path.join(folder, "whole.cpp"), "-o", os.path.join(folder, "out.so")],
                      stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=False)
with open(os.path.join(folder, "log"), "w", encoding="utf-8") as file:
    file.write(done.stdout)
sys.exit(done.returncode)
