"""A real Slurm of several nodes on this machine, for tests that hand jobs to one.

Owns: its programs (Debian's packages, installed where they are absent and that is allowed), its
settings, starting and stopping it and each of its parts, and losing a node.
Does not own: what is submitted.

All of it lies in one folder: settings, state, logs, a key and a socket of munge's. It listens on
this machine alone, at ports that were free; nothing of the system is asked or changed but for the
packages. Its programs are children of this process, and end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "scontrol", "munged")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Debian has them, and a user's PATH may not look."""
PARENT_ENDS = 1
"""The number of `prctl` by which a child is told of its parent's end."""
STARTS_S = 60.0

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={base}/munge/socket
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool.%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
DependencyParameters=kill_invalid_depend
PriorityType=priority/basic
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=86400
MaxJobCount=20000
JobRequeue=1
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=5
MailProg=/bin/true
SlurmdParameters=config_overrides
"""


class Cluster:
    """Slurm of some nodes, `n1` and so on; `conf` is what its commands find it by."""

    def __init__(self, base: Path, *, nodes: int, cpus: int) -> None:
        self.base, self.cpus = base, cpus
        self.nodes = tuple(f"n{number}" for number in range(1, nodes + 1))
        self.conf = base / "slurm.conf"
        self.env = {**os.environ, "SLURM_CONF": str(self.conf), "PATH": _path()}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all of it, and wait until all nodes can be used."""
        for folder in ("state", "log", "munge"):
            (self.base / folder).mkdir()
        self._write_conf()
        self._start_munge()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait_until(self._is_up, "the nodes are up", seconds=STARTS_S)

    def stop(self) -> None:
        """End all jobs and all programs, whatever state they are in."""
        for process in self._processes():
            _kill(process)
        for name in list(self._running):
            self._end(name, signal.SIGKILL)

    def start_controller(self) -> None:
        """Start what schedules."""
        self._start("slurmctld", ["slurmctld", "-D"])

    def stop_controller(self) -> None:
        """End it as an administrator does; jobs go on."""
        self._end("slurmctld", signal.SIGTERM)

    def start_node(self, node: str) -> None:
        """Start a node, as new."""
        self._start(node, ["slurmd", "-D", "-N", node])

    def kill_node(self, node: str) -> None:
        """Lose a node: its daemon and all that its jobs run are gone at once, nobody is told."""
        self._end(node, signal.SIGKILL)
        while found := self._processes(node):
            for process in found:
                _kill(process)
            psutil.wait_procs(found, timeout=1)

    def lose_node(self, node: str) -> None:
        """Kill a node, and have Slurm see it now and not after its timeout."""
        self.kill_node(node)
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def return_node(self, node: str) -> None:
        """Start a node again that was lost, and wait until it can be used."""
        self.start_node(node)
        self.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self.wait_until(self._is_up, f"{node} is up", seconds=STARTS_S)

    def ask(self, *argv: str) -> str:
        """What a command of Slurm prints. Raises CalledProcessError where it fails."""
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, argv, output=done.stdout, stderr=done.stderr
            )
        return done.stdout

    def state(self, job: str) -> str:
        """Slurm's word for a job."""
        return self.ask("squeue", "-h", "--states=all", f"--jobs={job}", "-o", "%T").strip()

    def node_of(self, job: str) -> str:
        """Where a job is."""
        return self.ask("squeue", "-h", "--states=all", f"--jobs={job}", "-o", "%N").strip()

    def start_now(self, job: str) -> None:
        """Have a job start again that Slurm holds back for two minutes after it was requeued."""
        self.wait_until(lambda: self.state(job) == "PENDING", f"{job} is queued again")
        self.wait_until(lambda: self.hurry(job), f"{job} may start")

    def hurry(self, job: str) -> bool:
        """Have Slurm hold a job back no longer; whether it does not, be it that it runs by now.

        Not at once: a node refuses what it ended in the same second ("Job credential revoked").
        """
        time.sleep(2)
        argv = ("scontrol", "update", f"JobId={job}", "StartTime=now")
        done = subprocess.run(argv, env=self.env, capture_output=True)
        return done.returncode == 0 or self.state(job) != "PENDING"

    def wait_until(
        self, true: Callable[[], bool], what: str, *, seconds: float = 300.0, every_s: float = 0.2
    ) -> None:
        """Wait for something; fail where it takes too long."""
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}\n{self._told()}"
            time.sleep(every_s)

    def _told(self) -> str:
        """What helps to see why something did not happen."""
        try:
            return self.ask("squeue", "--states=all") + self.ask("sinfo", "-N")
        except subprocess.CalledProcessError as error:
            return f"{error.stderr}"

    def _write_conf(self) -> None:
        host, user = socket.gethostname().partition(".")[0], pwd.getpwuid(os.getuid()).pw_name
        ports = _free_ports(1 + len(self.nodes))
        lines = [CONF.format(base=self.base, host=host, user=user, ports=ports)]
        for node, port in zip(self.nodes, ports[1:]):
            (self.base / f"spool.{node}").mkdir()
            lines.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
                f"CPUs={self.cpus} RealMemory={_memory_mib()} State=UNKNOWN\n"
            )
        nodes = ",".join(self.nodes)
        lines.append(f"PartitionName=main Nodes={nodes} Default=YES MaxTime=INFINITE State=UP\n")
        self.conf.write_text("".join(lines))

    def _start_munge(self) -> None:
        """Start what signs messages, as its own user where this is root: it insists."""
        folder = self.base / "munge"
        key = folder / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        user = "munge" if os.getuid() == 0 else None
        for path in (folder, key):
            if user:
                shutil.chown(path, user, user)
        argv = ["munged", "--foreground", f"--key-file={key}", f"--socket={folder}/socket"]
        argv += [f"--pid-file={folder}/pid", f"--log-file={folder}/log", f"--seed-file={folder}/s"]
        self._start("munged", argv, user=user)
        self.wait_until((folder / "socket").exists, "munge answers", seconds=STARTS_S)

    def _start(self, name: str, argv: list[str], *, user: str | None = None) -> None:
        with (self.base / "log" / name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                argv,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def _end(self, name: str, number: int) -> None:
        running = self._running.pop(name, None)
        if running is None:
            return
        running.send_signal(number)
        try:
            running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    def _is_up(self) -> bool:
        try:
            told = self.ask("sinfo", "-h", "-N", "-t", "idle,mix,alloc", "-o", "%N")
        except subprocess.CalledProcessError:
            return False
        return len(set(told.split())) == len(self.nodes)

    def _processes(self, node: str = "") -> list[psutil.Process]:
        """The processes of jobs, on a node or all: what watches over a job first."""
        watching, working = [], []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                env = process.environ()
                if env.get("SLURM_CONF") != str(self.conf) or "SLURM_JOB_ID" not in env:
                    continue
                if node and env.get("SLURMD_NODENAME") != node:
                    continue
                working.append(process)
                parent = process.parent()
                if parent and parent.name().startswith("slurmstepd"):
                    watching.append(parent)
        return [*watching, *working]


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()


def _end_with_parent() -> None:
    """Have this process, a child that is to become another program, end when its parent does."""
    ctypes.CDLL(None).prctl(PARENT_ENDS, signal.SIGKILL, 0, 0, 0)


def _path() -> str:
    return f"{os.environ['PATH']}:{SYSTEM}"


def _memory_mib() -> int:
    return int(psutil.virtual_memory().total / 2**20 * 0.9)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            held = stack.enter_context(socket.socket())
            held.bind(("127.0.0.1", 0))
            ports.append(held.getsockname()[1])
        return ports


def need_programs() -> None:
    """Have Slurm's programs here, or skip the test, saying why they are not."""
    if not hasattr(ctypes.CDLL(None), "prctl"):
        pytest.skip("no Slurm: this is no Linux")
    if not _absent():
        return
    with (Path(tempfile.gettempdir()) / f"slurm-packages-{os.getuid()}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # another worker may be at it
        if _absent():
            _install()
    if _absent():
        pytest.skip(f"no Slurm: after apt-get there is no {', '.join(_absent())}")


def _absent() -> list[str]:
    return [name for name in PROGRAMS if not shutil.which(name, path=_path())]


def _install() -> None:
    if os.getuid() != 0 or not shutil.which("apt-get"):
        pytest.skip(f"no Slurm: install {' '.join(PACKAGES)}, or be root on a Debian")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": _path()}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    for argv in (["apt-get", "update", "-q"], install):
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no Slurm: {' '.join(argv[:2])}: {done.stderr.strip()[-300:]}")


@contextlib.contextmanager
def started(*, nodes: int, cpus: int) -> Iterator[Cluster]:
    """A Slurm that runs, and is gone at the end with all that it left; `sbatch` in this process's
    environment finds it."""
    need_programs()
    base = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short path, as its sockets need
    base.chmod(0o755)
    cluster = Cluster(base, nodes=nodes, cpus=cpus)
    before = {key: os.environ.get(key) for key in ("SLURM_CONF", "PATH")}
    try:
        os.environ.update({key: cluster.env[key] for key in before})
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.update({key: value})
        shutil.rmtree(base, ignore_errors=True)
