"""Fills in what is in braces in a recorded command, as `datalad run` does, and becomes the command.

Owns: nothing but that; run inside the walls, by its text: `python -c TEXT VALUES`, VALUES as JSON:
cmd, inputs, outputs, dataset, tmpdir.
Does not own: what may be filled in (DataLad).
"""

import json
import os
import sys


def main(told: str) -> None:
    """Become a shell that runs the command."""
    from datalad.api import Dataset
    from datalad.core.local.run import format_command

    values = json.loads(told)
    command = format_command(
        Dataset(values["dataset"]),
        values["cmd"],
        inputs=values["inputs"],
        outputs=values["outputs"],
        pwd=os.getcwd(),
        dspath=values["dataset"],
        tmpdir=values["tmpdir"],
    )
    os.execv("/bin/sh", ["sh", "-c", command])


if __name__ == "__main__":
    main(sys.argv[1])
