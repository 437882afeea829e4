"""Conversion against a plain nibabel loop; finding cases against pybids' parsing.

The images have the sizes of Spine Generic's six contrasts, float32 as there, none of them in
RPI, so that each is turned and written anew. A few different files are linked to often, as
annexed files are; both sides read the same ones and write everything.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import psutil
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy import ndimage

from cordstudy.pipeline.sources.finding import find_cases
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of

CODE = Path(__file__).resolve().parents[1]
TREES = CODE.parents[1] / "shared/real-trees"
IMAGES = {
    "anat/T1w": ((192, 260, 320), "RAS"),
    "anat/T2w": ((64, 320, 320), "PIR"),
    "anat/T2star": ((320, 320, 15), "RAS"),
    "anat/flip-1_mt-on_MTS": ((192, 256, 18), "RAS"),
    "anat/flip-2_mt-off_MTS": ((192, 256, 18), "LPS"),
    "dwi/rec-average_dwi": ((128, 128, 20), "RAS"),
}
"""Shape in RAS and stored orientation of each contrast."""
DIFFERENT = 3
"""Different files of each contrast."""


def generate(folder: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Images and masks of each contrast."""
    made: dict[str, list[tuple[Path, Path]]] = {}
    for number, (image, (shape, codes)) in enumerate(IMAGES.items()):
        rng = np.random.default_rng(number)
        for n in range(DIFFERENT):
            smooth = ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), 2)
            voxels = np.maximum(
                smooth / smooth.std() * 150 + 500 + rng.normal(size=shape) * 12, 0
            ).astype(np.float32)
            mask = np.zeros(shape, np.uint8)
            mask[tuple(slice(s // 2 - 5, s // 2 + 5) for s in shape[:2])] = 1
            paths = tuple(
                folder / f"{image.replace('/', '_')}_{n}_{kind}.nii.gz"
                for kind in ("image", "mask")
            )
            for path, array in zip(paths, (voxels, mask)):
                stored = nib.Nifti1Image(array, np.eye(4))
                nib.save(turned(stored, codes), path)
            made.setdefault(image, []).append(paths)
    return made


def turned(image: nib.Nifti1Image, codes: str) -> nib.Nifti1Image:
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))


def lay_out(
    folder: Path, made: dict[str, list[tuple[Path, Path]]], count: int
) -> list[tuple[Path, Path]]:
    """A BIDS source of `count` images that are links, and the files that its step needs."""
    source = folder / "inputs/source"
    pairs = []
    for n in range(count):
        image = list(IMAGES)[n % len(IMAGES)]
        person, (datatype, stem) = f"sub-{n // len(IMAGES):04d}", image.split("/")
        names = (
            f"{person}/{datatype}/{person}_{stem}",
            f"derivatives/labels/{person}/{datatype}/{person}_{stem}_seg",
        )
        originals = made[image][n // len(IMAGES) % DIFFERENT]
        for name, original in zip(names, originals):
            place = source / f"{name}.nii.gz"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(original)
        pairs.append(tuple(source / f"{name}.nii.gz" for name in names))
    people = [f"sub-{n:04d}" for n in range(-(-count // len(IMAGES)))]
    (source / "participants.tsv").write_text("\n".join(("participant_id", *people, "")))
    rules = json.loads((CODE / "studies/public/spine-generic.json").read_text())
    rules |= {"name": "source", "path": "inputs/source", "mask": "{stem}_seg", "exclude_file": None}
    (folder / "rules.json").write_text(json.dumps(rules))
    lines = ["participant_id\tpart\tfold", *(f"{name}\ttrain\t0" for name in people), ""]
    (folder / "split.tsv").write_text("\n".join(lines))
    return pairs


def loop(pairs: list[tuple[Path, Path]], out: Path) -> float:
    """The peer: load, reorient, threshold, save, one after another. Seconds."""
    out.mkdir()
    start = time.perf_counter()
    for image, mask in pairs:
        nib.save(
            turned(nib.load(image), "LAS"),
            out / f"{image.name.removesuffix('.nii.gz')}_0000.nii.gz",
        )
        loaded = nib.load(mask)
        binary = (np.asanyarray(loaded.dataobj) >= 0.5).astype(np.uint8)
        nib.save(turned(nib.Nifti1Image(binary, loaded.affine), "LAS"), out / image.name)
    return time.perf_counter() - start


def step(folder: Path) -> tuple[float, float]:
    """The `convert` step on two cores: seconds, and peak memory of all its processes in MiB."""
    argv = [str(CODE / "study"), "convert", "rules.json", "--split", "split.tsv", "--out", "out"]
    start = time.perf_counter()
    running = subprocess.Popen(argv, cwd=folder, env=os.environ | {"CORDSTUDY_WORKERS": "2"})
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(running, peak))
    watcher.start()
    if running.wait():
        raise click.ClickException("the step failed")
    seconds = time.perf_counter() - start
    watcher.join()
    return seconds, peak[0]


def watch(running: subprocess.Popen, peak: list[float]) -> None:
    """Keep the largest sum of resident memory; pages that processes share count for each."""
    while running.poll() is None:
        total = 0
        try:
            parent = psutil.Process(running.pid)
            for process in (parent, *parent.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        peak[0] = max(peak[0], total / 2**20)
        time.sleep(0.05)


def same_voxels(ours: Path, theirs: Path) -> bool:
    """Whether both sides wrote the same images: voxels and affine."""
    for path in sorted(theirs.iterdir()):
        folder = "imagesTr" if path.name.endswith("_0000.nii.gz") else "labelsTr"
        one, two = nib.load(ours / folder / f"source_{path.name}"), nib.load(path)
        if not np.array_equal(one.dataobj, two.dataobj) or not np.allclose(one.affine, two.affine):
            return False
    return True


def convert_table(scratch: Path, counts: tuple[int, ...]) -> None:
    made = generate(scratch)
    largest = max(int(np.prod(shape)) * 4 for shape, _ in IMAGES.values()) / 2**20
    click.echo(
        f"{'images':>7} {'seconds':>8} {'a second':>9} {'peak MiB':>9} "
        f"{'nibabel s':>10} {'ratio':>6}  voxels"
    )
    for number, count in enumerate(counts):
        folder = scratch / f"{count}"
        pairs = lay_out(folder, made, count)
        seconds, peak = step(folder)
        told = ""
        if number == 0:
            peer = loop(pairs, folder / "peer")
            same = "identical" if same_voxels(folder / "out", folder / "peer") else "DIFFERENT"
            told = f"{peer:10.1f} {peer / seconds:6.2f}  {same}"
        click.echo(f"{count:7} {seconds:8.1f} {count / seconds:9.2f} {peak:9.0f} {told}".rstrip())
        shutil.rmtree(folder)
    click.echo(f"The largest image takes {largest:.0f} MiB; two workers.")


def find_table(scratch: Path) -> None:
    """Cases in the true tree of Spine Generic, laid out as links; the peer parses a tenth of the
    names."""
    if not TREES.is_dir():
        click.echo("finding cases: skipped, ../shared/real-trees is not there")
        return
    from bids.layout import parse_file_entities

    lines = (
        gzip.decompress((TREES / "data-multi-subject_r20250310.tsv.gz").read_bytes())
        .decode()
        .splitlines()[1:]
    )
    rows = [line.split("\t") for line in lines]
    study = load_study(CODE.parent, "public")
    rules = rules_of(study, "spine-generic").model_copy(update={"exclude_file": None})
    source = scratch / rules.path
    for path, kind, key in rows:
        place = source / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "annexed":
            place.symlink_to(f".git/annex/objects/X/Y/{key}/{key}")
        else:
            place.write_text("{}" if path.endswith(".json") else "")
    shutil.copy(TREES / "data-multi-subject_participants.tsv", source / "participants.tsv")
    start = time.perf_counter()
    cases, _ = find_cases(scratch, rules)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    for path, _, _ in rows[::10]:
        parse_file_entities(path)
    peer = (time.perf_counter() - start) * 10
    click.echo(
        f"finding {len(cases)} cases among {len(rows)} files: {seconds:.2f} s; "
        f"pybids only to parse the names: {peer:.0f} s; ratio {peer / seconds:.0f}"
    )


@click.command()
@click.option(
    "--images", "counts", multiple=True, type=int, default=(250, 500, 1000, 2000), show_default=True
)
def main(counts: tuple[int, ...]) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        find_table(Path(name) / "tree")
        convert_table(Path(name), counts)


if __name__ == "__main__":
    main()
