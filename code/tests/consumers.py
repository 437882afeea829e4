"""Others who take what a study publishes: another folder, other settings and, where root can,
another user; and the web servers that they read from."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from helpers import run

NOBODY = 65534


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None: ...


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a static web server of a folder."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@dataclass(frozen=True)
class Consumer:
    """Somebody with an empty home folder, who has DataLad."""

    home: Path
    prefix: tuple[str, ...]

    def types(self, *lines: str, check: bool = True):
        """Run lines of shell in the home folder."""
        home = {"HOME": str(self.home), "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig")}
        argv = (*self.prefix, "sh", "-euc", "\n".join(lines))
        return run(*argv, cwd=self.home, check=check, **home)


@contextmanager
def consumer() -> Iterator[Consumer]:
    """One, with a home folder that everybody may read."""
    home = Path(tempfile.mkdtemp(prefix="consumer-"))
    home.chmod(0o755)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = C\n\temail = c@example.org\n"
        '[annex "security"]\n\tallowed-ip-addresses = all\n'  # as 127.0.0.1 is nobody's server
        "[safe]\n\tdirectory = *\n"  # as a store in a folder is another user's
    )
    os.chmod(home / ".gitconfig", 0o644)
    try:
        yield Consumer(home, _as_other(home))
    finally:
        run("chmod", "-R", "u+rwX", home, cwd="/")
        shutil.rmtree(home)


def _as_other(home: Path) -> tuple[str, ...]:
    """What runs a command as another user, who sees of our home folder the programs alone; nothing
    where this user may not, or bubblewrap is not there."""
    if os.geteuid() or not (shutil.which("bwrap") and shutil.which("setpriv")):
        return ()
    own = Path.home()
    environments = Path(shutil.which("datalad") or "").parents[3]  # CACHE/tools/HASH/bin/datalad
    programs = {str(environments), sys.base_prefix}
    argv = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    argv += ["--perms", "0755", "--tmpfs", str(own)]
    for program in sorted(map(Path, programs)):
        if program.is_relative_to(own):
            for parent in list(program.relative_to(own).parents)[-2::-1]:
                argv += ["--perms", "0755", "--dir", str(own / parent)]
            argv += ["--ro-bind", str(program), str(program)]
    argv += ["--cap-add", "ALL", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}"]
    argv += ["--clear-groups", "--inh-caps=-all"]
    os.chown(home, NOBODY, NOBODY)
    return tuple(argv)
