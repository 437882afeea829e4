"""What kind of machine this is: nothing that names it.

Owns: the values by which results of the same code can differ between machines.
Does not own: what is said of it (`attestations`, `remake`).
"""

from __future__ import annotations

import platform
from pathlib import Path

PROCESSORS = Path("/proc/cpuinfo")
INSTRUCTIONS = {"avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile"}
"""Those of a processor by which the last bits of a sum can differ."""


def kind_of_machine() -> dict[str, object]:
    """System, architecture, processor, and those instructions of it."""
    fields: dict[str, str] = {}
    lines = PROCESSORS.read_text().splitlines() if PROCESSORS.is_file() else []
    for line in lines:
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    flags = set(fields.get("flags", "").split())
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": fields.get("model name", platform.processor()),
        "instructions": sorted(flags & INSTRUCTIONS),
    }
