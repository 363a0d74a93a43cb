"""Random blocks of every tensor type and their values as the `gguf` package decodes them.

usage: make_quant_fixtures.py FOLDER. Writes FOLDER/TYPE.bin: the bytes of 4 (small blocks: 8) blocks, then their float32."""
import pathlib
import sys

import gguf
import numpy as np

HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F16": [0]}
EXPONENTS = {"MXFP4": 0}  # a byte that counts from 127: near it


def main():
    folder = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(1)
    for name in list(HALVES) + ["BF16"] + list(EXPONENTS):
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (4 if values == 256 else 8, size), dtype=np.uint8)
        if name == "BF16":
            blocks[:, 1] = blocks[:, 1] & 0x80 | 0x3F
        for at in HALVES.get(name, []):
            half = rng.normal(0, 1, len(blocks)).astype(np.float16)
            blocks[:, at:at + 2] = half.view(np.uint8).reshape(-1, 2)
        if name in EXPONENTS:
            blocks[:, EXPONENTS[name]] = rng.integers(120, 132, len(blocks))
        flat = blocks.reshape(1, -1)
        data = flat.view(np.float16) if name == "F16" else flat
        out = np.asarray(gguf.quants.dequantize(data, kind), dtype=np.float32)
        assert out.size == len(blocks) * values
        (folder / f"{name}.bin").write_bytes(blocks.tobytes() + out.tobytes())


main()
