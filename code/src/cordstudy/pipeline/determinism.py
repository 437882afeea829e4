"""The settings under which the same input gives the same bytes, in one place.

Owns: the environment variables that must be set before numpy and torch are imported.
Does not own: seeds, which each step is given.

One thread a process: two threads change float sums (and are slower here). The caps keep
numpy, oneDNN, ATen and MKL on AVX2 code paths, so that processors with and without
AVX-512 agree. `code/study` imports this module before any numeric package. A step that
may do without the caps says so in its recorded command: `--identical here`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence

THREADS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "nnUNet_compile": "f",
    "PYTHONHASHSEED": "0",
}
CAPS = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
"""What makes processors of different kinds agree; costs a training some of its speed."""


def apply(arguments: Sequence[str]) -> None:
    """Put the settings into this process's environment; processes that it starts inherit them.

    `arguments` are those of the command line.
    """
    os.environ.update(THREADS)
    if ("--identical", "here") in itertools.pairwise(arguments):
        for name in CAPS:
            os.environ.pop(name, None)
    else:
        os.environ.update(CAPS)


def present() -> Mapping[str, str]:
    """The settings that this process has."""
    return {name: os.environ.get(name, "") for name in (*THREADS, *CAPS)}
