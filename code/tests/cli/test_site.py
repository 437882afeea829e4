"""`site.toml`: what can be said of a cluster, what is refused, and what a job then asks for."""

from __future__ import annotations

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.on_slurm import request_of
from cordstudy.cli.site import read_site
from cordstudy.study.loading import load_study
from cordstudy.study.steps import steps
from helpers import REPOSITORY

STEPS = {step.command: step for step in steps(load_study(REPOSITORY, "full"))}
CLUSTER = """
device = "DEVICE"
[slurm]
partition = "all"
account = "lab"
options = ["--nice"]
"""
TRAIN = """
[slurm.train]
partition = "gpus"
gres = "gpu:a100:1"
time = "2-00:00:00"
memory = "64G"
cores = 12
options = []
"""


def asked(folder, text: str, command: str) -> list[str]:
    """What the job of a step of a command asks for."""
    (folder / "site.toml").write_text(text)
    site = read_site(folder / "site.toml")
    assert site.slurm is not None
    return list(request_of(STEPS[command], site, site.slurm).options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slurm = 1", r"slurm: 1: "),
        ("[slurm]\npartitions = 'a'", r"slurm: partitions: unknown key"),
        ("[slurm.trian]\ntime = '1:00'", r"slurm: trian: unknown key"),
        ("[slurm.train]\nstore = '/a'", r"slurm\.train: store: unknown key"),
        ("[slurm.train]\ncores = '4'", r"slurm\.train\.cores: '4': "),
        ("[slurm.train]\ncores = 0", r"slurm\.train\.cores: 0: "),
        ("[slurm]\ntrain = 4", r"slurm\.train: 4: "),
        ("[slurm]\nsetup = 'module load a'", r"slurm\.setup: 'module load a': "),
        ('[slurm]\nsetup = ["a\\nb"]', r"slurm\.setup\.0: 'a\\nb': "),
        ("[slurm]\npartition = ''", r"slurm\.partition: '': "),
        ("[slurm]\nmemory = 4", r"slurm\.memory: 4: "),
        ("[slurm", r"site\.toml: "),
    ],
)
def test_what_cannot_be_said_of_a_cluster_is_refused_by_its_key(tmp_path, text, said):
    (tmp_path / "site.toml").write_text(text)
    with pytest.raises(StudyError, match=said):
        read_site(tmp_path / "site.toml")


def test_without_a_table_a_training_on_a_gpu_asks_for_one_of_any_kind(tmp_path):
    cuda = CLUSTER.replace("DEVICE", "cuda")
    options = asked(tmp_path, cuda, "train")
    assert "--gres=gpu:1" in options and "--partition=all" in options and "--nice" in options
    assert not any("gres" in option for option in asked(tmp_path, cuda, "evaluate"))
    on_cpu = asked(tmp_path, CLUSTER.replace("DEVICE", "cpu"), "train")
    assert not any("gres" in option for option in on_cpu)


def test_what_is_said_of_a_command_is_for_its_steps_alone(tmp_path):
    text = CLUSTER.replace("DEVICE", "cuda:0") + TRAIN
    assert asked(tmp_path, text, "train") == [
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=12",
        "--mem=64G",
        "--time=2-00:00:00",
        "--partition=gpus",
        "--account=lab",
        "--gres=gpu:a100:1",
    ]
    assert "--partition=all" in asked(tmp_path, text, "predict")
    assert "--gres=gpu:1" in asked(tmp_path, text, "predict")
