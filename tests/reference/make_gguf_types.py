"""Random blocks of the GGUF types that candle does not have, and what the Python package gguf makes of them.

Usage: python make_gguf_types.py OUT

OUT/TYPE.safetensors gets bytes (rows, bytes of 256 weights) and values (rows, 256). `unpack.rs` and `trits.rs`
compare them.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

ROWS = 3


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for name in ("IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0"):
        kind = getattr(gguf.GGMLQuantizationType, name)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if name.startswith("TQ"):
            data = quantize(random.normal(size=(ROWS, 256)).astype(np.float32), kind)
        else:
            data = random.integers(0, 256, (ROWS, 256 // block, size), dtype=np.uint8)
            if name == "MXFP4":
                data[:, :, 0] = random.integers(0, 255, data.shape[:2])
            else:
                data[:, :, :2] = random.normal(size=(*data.shape[:2], 1)).astype(np.float16).view(np.uint8)
            data = data.reshape(ROWS, -1)
        save_file(dict(bytes=data, values=dequantize(data, kind)), out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
