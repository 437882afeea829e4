"""The true source trees laid out as git-annex datasets without content.

From the published file lists beside the repository (`../shared/real-trees`): links with the
true annex keys, small texts for the files that are in git.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from pathlib import Path

from helpers import SHARED, git

TREES = SHARED / "real-trees"
LISTS = {"data-multi-subject": "data-multi-subject_r20250310", "ds005143": "ds005143_1.3.1"}
EXCLUDE = """\
csa_t1:
- sub-balgrist01  # Motion artifact
- sub-pavia04  # Motion artifact
csa_t2:
- beijingVerio  # Site did not respect parameters (TR=2, FA=180)
- sub-pavia04  # Motion artifact
csa_gm:
- sub-vuiisIngenia04  # Motion artifact
mtr:
- sub-nobody99
- stanford  # Used different TR.
"""
PUBLISHED = {
    "inspired": (
        "{sub}/anat/{sub}_acq-cspineAxial_T2w",
        "derivatives/manual_labels",
        "_label-SC_seg",
    ),
    "sci-colorado": ("{sub}/anat/{sub}_T2w", "derivatives/labels", "_seg-manual"),
    "canproco": ("{sub}/ses-M0/anat/{sub}_ses-M0_T2w", "derivatives/labels", "_seg-manual"),
    "basel-mp2rage": ("{sub}/anat/{sub}_UNIT1", "derivatives/labels", "_label-SC_seg"),
}
"""Image, label folder and suffix of a mask, after sources.tsv."""


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a TSV, packed or not."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def object_of(key: str) -> str:
    """Where git-annex has the content of a key, in a repository with a tree."""
    letters = "0123456789zqjxkmvwgpfZQJXKMVWGPF"
    word = int.from_bytes(hashlib.md5(key.encode()).digest()[:4], "little")
    a, b, c, d = (letters[word >> shift & 31] for shift in (0, 6, 12, 18))
    return f".git/annex/objects/{b}{a}/{d}{c}/{key}/{key}"


Tree = tuple[list[tuple[str, str]], dict[str, str]]
"""The annexed files of a tree, each with its key, and its texts by their paths."""


def lay_out(folder: Path, tree: Tree) -> Path:
    """A git repository with the files of a tree."""
    put_files(folder, tree)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    git(folder, "-c", "core.untrackedCache=false", "add", "-A")
    git(folder, "commit", "-q", "-m", "Lay out the tree")
    return folder


def put_files(folder: Path, tree: Tree) -> Path:
    """A folder with a link for each annexed file, and the texts."""
    files, texts = tree
    folder.mkdir(parents=True)
    made = set()
    for path, key in files:
        place = folder / path
        if place.parent not in made:
            place.parent.mkdir(parents=True, exist_ok=True)
            made.add(place.parent)
        place.symlink_to("../" * path.count("/") + object_of(key))
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def tree_of(name: str) -> Tree:
    """One of the six."""
    return listed(name) if name in LISTS else published(name)


def every(step: int, tree: Tree) -> Tree:
    """A tree with the files of every so many participants; its texts as they are, but theirs."""
    files, texts = tree
    parts = {part for path, _ in files for part in path.split("/")[:-1]}
    people = sorted(part for part in parts if part.startswith("sub-"))
    left_out = set(people) - set(people[::step])
    kept = [(path, key) for path, key in files if left_out.isdisjoint(path.split("/"))]
    return kept, {path: text for path, text in texts.items() if "sub-" not in path}


def listed_tree(name: str, folder: Path) -> Path:
    """One of the two public trees, every file of it."""
    return lay_out(folder, listed(name))


def listed(name: str) -> Tree:
    """The files of a public tree."""
    files: list[tuple[str, str]] = []
    texts: dict[str, str] = {}
    for row in table(TREES / f"{LISTS[name]}.tsv.gz"):
        if row["kind"] == "annexed":
            files.append((row["path"], row["annex_key"]))
        elif row["kind"] == "git":
            texts[row["path"]] = "{}" if row["path"].endswith(".json") else ""
    texts["participants.tsv"] = (TREES / f"{name}_participants.tsv").read_text()
    if "exclude.yml" in texts:
        texts["exclude.yml"] = EXCLUDE
    return files, texts


def published_tree(name: str, folder: Path) -> Path:
    """One of the private trees, with an image and a mask for each published participant."""
    return lay_out(folder, published(name))


def published(name: str) -> Tree:
    """The files of a private tree."""
    image, labels, suffix = PUBLISHED[name]
    people = [row["participant_id"] for row in table(TREES / f"published_split_{name}.tsv")]
    files = []
    for person in people:
        stem = image.format(sub=person)
        for path in (f"{stem}.nii.gz", f"{labels}/{stem}{suffix}.nii.gz"):
            digest = hashlib.sha256(f"{name}/{path}".encode()).hexdigest()
            files.append((path, f"SHA256E-s1000--{digest}.nii.gz"))
    return files, {"participants.tsv": "\n".join(("participant_id", *people, ""))}


def put_in(study: Path, trees: dict[str, Path]) -> dict[str, str]:
    """Pin the laid-out trees in a study's clone in place of the true commits; the environment
    in which their URLs lead to them."""
    env = {"GIT_CONFIG_COUNT": str(len(trees))}
    for number, (name, tree) in enumerate(trees.items()):
        commit = git(tree, "rev-parse", "HEAD")
        git(study, "update-index", "--cacheinfo", f"160000,{commit},inputs/{name}")
        url = git(study, "config", "-f", ".gitmodules", f"submodule.inputs/{name}.url")
        env[f"GIT_CONFIG_KEY_{number}"] = f"url.{tree}.insteadOf"
        env[f"GIT_CONFIG_VALUE_{number}"] = url
    git(study, "commit", "-q", "-m", "test: pin the trees as laid out")
    return env
