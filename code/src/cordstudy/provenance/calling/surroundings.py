"""What a recorded command may see of the machine and of the user's settings.

Owns: the environment in which a workspace is made and its command runs (with
`workspace.gitconfig`).
Does not own: what happens in the user's own clone, where git runs with the user's settings.

Records must not depend on who runs them: a user's `annex.addunlocked`, `core.autocrlf`, hooks,
templates, `~/.config/matplotlib` or `DATALAD_*` would change trees, bytes or records, unsaid.
"""

from __future__ import annotations

import os
from pathlib import Path

from cordstudy.provenance.profile import VARIABLES

STEERING = (
    "GIT_",
    "DATALAD_",
    "DUCT_",
    "ANNEX_",
    "PYTHON",
    "IPYTHON",
    "JUPYTER_",
    "MPL",
    "MATPLOTLIB",
    "nnUNet_",
    "TORCH_",
    "PYTORCH_",
    VARIABLES,
    "XDG_",
    "HOME",
    "LC_",
    "LANG",
    "TZ",
    "BASH_ENV",
    "ENV",
)
"""How the names of variables start that steer git, DataLad, Python, a shell or what is computed."""
KEPT = (
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    f"{VARIABLES}DEVICE",
    f"{VARIABLES}CACHE",
)
"""Of those: who commits, and the machine's own settings, which change no output."""
GITCONFIG = Path(__file__).with_name("workspace.gitconfig")


def private_environment(home: Path | None = None) -> dict[str, str]:
    """The environment of what runs in a workspace; `home` stands for the user's home folder."""
    kept = {}
    for name, value in os.environ.items():
        steers = name.startswith(STEERING) and name not in KEPT
        if value and not steers:
            kept[name] = value
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(GITCONFIG),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(home or Path.home()),
        "XDG_CACHE_HOME": str(user_cache()),
    }


def user_cache() -> Path:
    """The user's cache folder, where environments and preprocessed arrays are."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    return Path(folder) if folder.startswith("/") else Path.home() / ".cache"
