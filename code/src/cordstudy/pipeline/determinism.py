"""The settings under which the same input gives the same bytes, in one place.

Owns: the environment variables that must be set before numpy and torch are imported.
Does not own: seeds, which each step is given.

One thread a process: two threads change float sums (and are slower here). The caps keep
numpy, oneDNN, ATen and MKL on AVX2 code paths, so that processors with and without
AVX-512 agree. `code/study` imports this module before any numeric package.
"""

from __future__ import annotations

import os

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "nnUNet_compile": "f",
    "PYTHONHASHSEED": "0",
}


def apply() -> None:
    """Put the settings into this process's environment; processes that it starts inherit them."""
    os.environ.update(SETTINGS)
