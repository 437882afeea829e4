"""Keep the files of the locks, so that environments can be made with no network:
`make -C code wheelhouse`, then `make -C code env WHEELS=folder`.

Owns: the folder of files, its SHA256SUMS, and that pip then knows nothing else.
Does not own: the locks (`lock.py`), or making environments (`environment.py`). Standard library
only: it runs before the rest.

Kept is each file as its index served it, so that the hashes of the locks hold; wheels for this
Python and machine, sources where there is no wheel. SHA256SUMS names them all: of torch, and of
what builds the sources, no lock has a hash. Kept again for another Python, files are added.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

CODE = Path(__file__).resolve().parent
LAYERS = ("steps", "tools", "dev", "lab")
SUMS = "SHA256SUMS"
FILES = (".whl", ".tar.gz", ".zip")
AGAIN = "hint: with a network, and the same Python: make -C code wheelhouse WHEELS=folder"
CLASSIC = ("setuptools", "wheel")
"""What pip builds sources with that do not say; older pips take both for others too."""


def main() -> int:
    """Keep the files of all locks in the folder that is asked for; the exit code."""
    folder = chosen() or default()
    print(f"keeping the files of the locks in {folder}: some minutes and 1 to 5 GB", flush=True)
    known = sums(folder) if (folder / SUMS).exists() else {}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as new:
        download(Path(new))
        known |= take_over(Path(new), folder)
    text = "".join(f"{known[name]}  {name}\n" for name in sorted(known))
    written = folder / f"{SUMS}.new"
    written.write_text(text, "utf-8")
    written.replace(folder / SUMS)
    print(f"wheelhouse: {folder}, {len(known)} files")
    return 0


def chosen() -> Path | None:
    """The folder that WHEELS names; a relative one is below the repository."""
    named = os.environ.get("CORDSTUDY_WHEELS")
    return CODE.parent / Path(named).expanduser() if named else None


def default() -> Path:
    """Where files are kept if nobody says: beside the environments."""
    told = subprocess.run([CODE / "study", "env", "steps"], stdout=subprocess.PIPE, text=True)
    if told.returncode:  # it has said why
        raise SystemExit(told.returncode)
    return Path(told.stdout.removesuffix("\n")).parents[1] / "wheels"


def check(folder: Path) -> None:
    """Raise SystemExit where a file of a folder is not the one that was kept."""
    known = sums(folder)
    there = {path.name for path in folder.iterdir() if path.name.endswith(FILES)}
    for name in sorted(there - set(known)):
        raise SystemExit(f"error: {folder} holds {name}, which its {SUMS} does not name\n{AGAIN}")
    for name, digest in known.items():
        if name not in there:
            raise SystemExit(f"error: {folder} lacks {name}, which its {SUMS} names\n{AGAIN}")
        if digest_of(folder / name) != digest:
            raise SystemExit(f"error: {folder / name} is not the file that was kept\n{AGAIN}")


def failure(folder: Path, lock: Path, said: str) -> SystemExit:
    """Why a lock could not be installed from a folder, by what pip said."""
    lacking = re.search(r"No matching distribution found for (\S+)", said)
    if lacking:
        return SystemExit(f"error: {folder} lacks {lacking[1]}, which {lock} names\n{AGAIN}")
    return SystemExit(f"{said}error: pip could not install {lock} from {folder}\n{AGAIN}")


def forget_indexes() -> None:
    """Have pip know no index, folder or rule but those of its command line."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            del os.environ[name]
    os.environ["PIP_CONFIG_FILE"] = os.devnull


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder, by its table. Raises SystemExit where there is none."""
    try:
        text = (folder / SUMS).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"error: no wheelhouse: {folder / SUMS}: {error}\n{AGAIN}") from error
    known = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = re.fullmatch(r"([0-9a-f]{64})  ([^/\s]+)", line)
        if not found:
            raise SystemExit(f"error: {folder / SUMS}, line {number}: no SHA-256 and name\n{AGAIN}")
        known[found[2]] = found[1]
    return known


def digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(folder: Path) -> None:
    """Have pip download what the locks say, and what builds their sources, into a folder."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True, symlinks=True)
        versions = Path(place, "versions.txt")
        hashed = Path(place, "hashed.txt")
        pip = [f"{place}/bin/python", "-m", "pip", "download", "--disable-pip-version-check"]
        pip += [] if sys.stdout.isatty() else ["-q", "-q"]
        pip += ["-d", str(folder)]
        locks = [(CODE / f"requirements/{layer}.lock").read_text("utf-8") for layer in LAYERS]
        pins = [pin for lock in locks for pin in pins_of(lock)]
        versions.write_text("".join(f"{pin.partition(chr(92))[0].strip()}\n" for pin in pins))
        hashed.write_text("".join(pin for pin in pins if "--hash=" in pin))
        for pin in pins:
            if "--hash=" not in pin:
                run([*pip, "-c", str(versions), pin.strip()])
        run([*pip, "--no-deps", "--require-hashes", "-r", str(hashed)])
        builders = {need for path in folder.glob("*.tar.gz") for need in needs_to_build(path)}
        if builders:
            run([*pip, "-c", str(versions), *sorted(builders | set(CLASSIC))])


def pins_of(lock: str) -> Iterator[str]:
    """The packages of a lock: each line that names a version, with its hashes."""
    yield from re.findall(r"^\S.*\n(?:[ \t].*\n)*", lock, re.MULTILINE)


def needs_to_build(source: Path) -> list[str]:
    """What a source says that it is built with."""
    with tarfile.open(source) as archive:
        for member in archive:
            if member.isfile() and re.fullmatch(r"[^/]+/pyproject\.toml", member.name):
                stream = archive.extractfile(member)
                assert stream  # it is a file
                table = tomllib.loads(stream.read().decode("utf-8"))
                return list(table.get("build-system", {}).get("requires", CLASSIC))
    return list(CLASSIC)


def take_over(new: Path, folder: Path) -> dict[str, str]:
    """Move files into the folder, but for those that it has; the SHA-256 of each. Raises SystemExit
    where it has another by that name, and moves nothing."""
    digests = {path.name: digest_of(path) for path in new.iterdir()}
    for name, digest in digests.items():
        if (folder / name).exists() and digest_of(folder / name) != digest:
            raise SystemExit(
                f"error: {folder / name} is another file than pip found now\n"
                "hint: move it away, or choose another folder: WHEELS=folder"
            )
    for name in digests:
        shutil.move(new / name, folder / name)
    return digests


def run(argv: Sequence[str]) -> None:
    """Run pip, which says why it fails."""
    if subprocess.run(argv).returncode:
        raise SystemExit(
            "error: pip could not download the files of the locks\n"
            "hint: run it again; look at pip's words above"
        )


if __name__ == "__main__":
    sys.exit(main())
