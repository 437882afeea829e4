"""What a page says in Chromium: of itself, and by axe-core of who cannot read it."""

from __future__ import annotations

import http.server
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
)
WIDTHS = (375, 1280)
"""Of a phone and of a desk's screen, in px."""
SCHEMES = {"light": 1, "dark": 0}
"""Of colours, by Chromium's number."""
CHECK = """<script>
addEventListener("load", async () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  document.querySelector("a[data-how]")?.click();
  const failed = (error) => ({ violations: [{ id: `axe: ${error}`, nodes: [{ html: "" }] }] });
  const found = await axe.run(document, { resultTypes: ["violations"] }).catch(failed);
  const told = found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const body = JSON.stringify({
    told, dark, width: innerWidth, wide: document.documentElement.scrollWidth,
  });
  await fetch("/told", { method: "POST", body });
});
</script>"""


class PageServer(http.server.BaseHTTPRequestHandler):
    """Gives pages by their paths, and keeps what they send back: a browser's clock is real time
    here, however slow it draws."""

    pages: dict[str, bytes]
    said: queue.Queue

    def do_GET(self):
        page = self.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if page is not None:
            self.wfile.write(page)

    def do_POST(self):
        self.said.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        """Nothing."""


def said_by(
    pages: dict[str, str], folder: Path, *flags: str, count: int = 1, timeout_s: float = 180
) -> list[str]:
    """The first things that pages (by path; `/` is opened) send to `/told`. `folder` is for the
    browser."""
    said: queue.Queue = queue.Queue()
    given = {path: page.encode() for path, page in pages.items()}
    handler = type("Handler", (PageServer,), {"pages": given, "said": said})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    log = folder / "chromium.log"
    assert CHROMIUM
    with log.open("w") as stream:
        own = f"--user-data-dir={folder / 'browser'}"
        command = [CHROMIUM, *FLAGS, own, *flags, address]
        browser = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        return [said.get(timeout=timeout_s) for _ in range(count)]
    except queue.Empty:
        raise AssertionError(f"nothing was said; chromium: {log.read_text()[-2000:]}") from None
    finally:
        browser.kill()
        browser.wait()
        server.shutdown()
        server.server_close()


def violations(page: str, folder: Path, schemes: Sequence[str] = tuple(SCHEMES)) -> list[str]:
    """What axe-core finds in a page, at two widths, in light and dark; all that is folded is open.
    So is a page that is wider than its window."""
    axe = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    checked = page.replace("</body>", f"<script>{axe}</script>{CHECK}</body>")
    assert CHECK in checked
    frames = [f'<iframe src="/page" width="{width}" height="900"></iframe>' for width in WIDTHS]
    pages = {"/": "".join(frames), "/page": checked}
    found = []
    for scheme in schemes:
        flag = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
        own = folder / scheme
        own.mkdir()
        answers = [json.loads(text) for text in said_by(pages, own, flag, count=len(WIDTHS))]
        assert {answer["width"] for answer in answers} == set(WIDTHS)
        assert all(answer["dark"] == (scheme == "dark") for answer in answers)
        for answer in answers:
            where = f"{scheme}, {answer['width']} px"
            found += [f"{where}: {line}" for line in answer["told"]]
            if answer["wide"] > answer["width"]:
                found.append(f"{where}: {answer['wide']} px wide")
    return found
