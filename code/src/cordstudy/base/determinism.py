"""The settings under which the same input gives the same bytes, in one place.

Owns: the environment variables that must be set before numpy and torch are imported, which of a
user's own do not reach them, and the option by which a step may do without some.
Does not own: seeds, which each step is given; what steers git and Python (`code/study`).

One thread a process: two threads change float sums (and are slower here). The caps keep
numpy, its OpenBLAS, oneDNN, ATen and MKL on AVX2 code paths, so that processors with and without
AVX-512 agree. `code/study` imports this module before any numeric package, which click is not.
A step that may do without the caps says so in its recorded command: `--identical here`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import click

OTHERS = (
    "ATEN_",
    "BLOSC_",
    "CUBLAS_",
    "CUDNN_",
    "DNNL_",
    "GOMP_",
    "IPYTHON",
    "ITK_",
    "JUPYTER_",
    "KMP_",
    "LC_",
    "MATPLOTLIB",
    "MKL_",
    "MPL",
    "NIBABEL_",
    "NPY_",
    "NUMBA_",
    "NUMEXPR_",
    "NVIDIA_TF32",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PANDAS_",
    "PYTORCH_",
    "SCIPY_",
    "SEABORN_",
    "TORCH",
    "TQDM_",
    "nnUNet_",
)
"""How the names of variables begin by which a user steers a library that computes or draws."""
KEPT = {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"}
"""Those of them that belong to a machine: how a GPU's memory is laid out."""
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
ALWAYS = {
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "agg",
    "MATPLOTLIBRC": os.devnull,
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
}
"""The last: a checkpoint is data, so torch loads none that could run something, whatever asks it
to (nnU-Net does)."""
STEPS = {"TZ": "UTC", "COLUMNS": "80", "LINES": "24"}
"""For a step, of which nothing may depend on where its user is or sits."""
HERE = "here"
ANYWHERE = "anywhere"
CAPS = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""What makes processors of different kinds agree; costs a training some of its speed."""


identical_option = click.option(
    "--identical",
    required=True,
    expose_value=False,
    type=click.Choice([HERE, ANYWHERE]),
    help="The same bytes on this kind of processor, or on any with AVX2 (slower).",
)
"""For a command that may do without the caps. Its value has been heeded (`apply`) before the
command's module is imported, so it is not handed on."""


def apply(arguments: Sequence[str], *, step: bool) -> None:
    """Put the settings into this process's environment, in place of a user's own; processes that
    it starts inherit them.

    `arguments` are those of the command line, after the command's name for a step.
    """
    for name in list(os.environ):
        if name.startswith(OTHERS) and name not in KEPT:
            del os.environ[name]
    os.environ.pop("LANGUAGE", None)
    os.environ.update(THREADS | ALWAYS)
    if not (step and _is_identical_here(arguments)):
        os.environ.update(CAPS)
    if step:
        os.environ.update(STEPS)


def _is_identical_here(arguments: Sequence[str]) -> bool:
    """Whether the last `--identical` of a command line, the one that counts, says `here`."""
    said = ANYWHERE
    for number, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option != "--identical":
            continue
        said = value if equals else "".join(arguments[number + 1 : number + 2])
    return said == HERE


def present() -> Mapping[str, str]:
    """The settings that this process has."""
    return {name: os.environ.get(name, "") for name in (*THREADS, *CAPS)}
