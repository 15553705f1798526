"""A browser in a root file system of its own, which knows the rehearsal cloud's names and certificates.

`python3 -m rehearsal.browser URL [--screenshot FILE]`: a window where there is a display, else a picture.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rehearsal import paths
from rehearsal.host import CommandFailed, fail, require_disk, require_root, wait_for
from rehearsal.network import HOST_ADDRESS
from rehearsal.rootfs import Root, RootSpec, build_root, in_root
from swarmhub.errors import UserError

BROWSER_ROOT = RootSpec(
    directory=paths.BROWSER_ROOT,
    packages=("chromium", "curl", "fonts-dejavu-core", "libnss3-tools"),
)
ISSUER_ROOT = paths.CLIENT / "issuer-root.pem"
BUILD_DISK_GB = 3
CHROMIUM_LOG = paths.LOGS / "chromium.log"
# Root cannot use Chromium's own sandbox; the pages it opens are those of the hub under test.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=DnsOverHttps,Translate",
    "--window-size=1280,900",
)
HEADLESS = "--headless=new"
SESSION = "/session"
X11_SOCKETS = Path("/tmp/.X11-unix")
START_TIMEOUT_SECONDS = 60
END_TIMEOUT_SECONDS = 10
PAGE_TIMEOUT_SECONDS = 60


def build() -> bool:
    """Build the browser's root file system unless it is current; return whether anything was done."""
    return build_root(BROWSER_ROOT, title="browser root", log=paths.LOGS / "browser.log")


@dataclass(frozen=True, kw_only=True)
class Session:
    """A home directory, made afresh and bound into the root, that trusts the rehearsal cloud's issuer."""

    root: Root
    directory: Path

    @property
    def binds(self) -> dict[Path, str]:
        """What the root sees of this machine for this session."""
        binds = {self.directory: SESSION, self.directory / "resolv.conf": "/etc/resolv.conf"}
        return binds | ({X11_SOCKETS: str(X11_SOCKETS)} if X11_SOCKETS.is_dir() else {})

    @property
    def environment(self) -> dict[str, str]:
        display = {name: os.environ[name] for name in ("DISPLAY",) if name in os.environ}
        if (cookies := os.environ.get("XAUTHORITY")) and display:
            shutil.copy(cookies, self.directory / "Xauthority")
            display["XAUTHORITY"] = f"{SESSION}/Xauthority"
        return {"HOME": SESSION, **display}

    def run(self, command: Sequence[str], timeout_seconds: float) -> str:
        """Run a command in the session. Raises CommandFailed."""
        return self.root.run(
            command,
            binds=self.binds,
            environment=self.environment,
            timeout_seconds=timeout_seconds,
        )


@contextmanager
def open_session(issuer_root: Path = ISSUER_ROOT) -> Iterator[Session]:
    """Have the browser's root and a fresh session in it. Raises UserError without a cloud to look at."""
    require_root()
    if not issuer_root.is_file():
        fail("browser", f"{issuer_root} is missing", "Start the rehearsal cloud first: make up")
    if not paths.BROWSER_ROOT.exists():
        require_disk(paths.ROOTS, BUILD_DISK_GB)
    build()
    with in_root(paths.BROWSER_ROOT) as root, tempfile.TemporaryDirectory(prefix="swarmhub-browser-") as home:
        session = Session(root=root, directory=Path(home))
        (session.directory / "resolv.conf").write_text(f"nameserver {HOST_ADDRESS}\n")
        shutil.copy(issuer_root, session.directory / "issuer.pem")
        (session.directory / ".pki" / "nssdb").mkdir(parents=True)
        database = f"sql:{SESSION}/.pki/nssdb"
        session.run(["certutil", "-d", database, "-N", "--empty-password"], PAGE_TIMEOUT_SECONDS)
        trusted = ["-t", "C,,", "-n", "rehearsal issuer", "-i", f"{SESSION}/issuer.pem"]
        session.run(["certutil", "-d", database, "-A", *trusted], PAGE_TIMEOUT_SECONDS)
        yield session


@contextmanager
def run_chromium(session: Session, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Have Chromium running in the session; all of its processes are ended with the block."""
    profile = f"--user-data-dir={SESSION}/profile"
    process = session.root.start(
        ["chromium", *FLAGS, profile, *arguments],
        log=CHROMIUM_LOG,
        binds=session.binds,
        environment=session.environment,
    )
    try:
        yield process
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its session, and all in it."""
    for attempt in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, attempt)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=END_TIMEOUT_SECONDS)
        deadline = time.monotonic() + END_TIMEOUT_SECONDS
        while group_lives(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def debuggable_chromium(session: Session) -> Iterator[str]:
    """Have a headless Chromium and the address of its DevTools endpoint on this machine."""
    port_file = session.directory / "profile" / "DevToolsActivePort"
    with run_chromium(session, [HEADLESS, "--remote-debugging-port=0"]) as process:
        wait_for(
            "chromium",
            lambda: port_file.exists() and len(port_file.read_text().splitlines()) == 2,
            log=CHROMIUM_LOG,
            timeout_seconds=START_TIMEOUT_SECONDS,
            while_true=lambda: process.poll() is None,
        )
        yield f"http://127.0.0.1:{port_file.read_text().splitlines()[0]}"


def require_page(session: Session, url: str) -> None:
    """Raise UserError unless the page answers with a certificate that this session trusts."""
    limit = str(PAGE_TIMEOUT_SECONDS)
    command = ["curl", "--silent", "--show-error", "--fail", "--location", "--max-time", limit]
    command += ["--cacert", f"{SESSION}/issuer.pem", "--output", "/dev/null", url]
    try:
        session.run(command, PAGE_TIMEOUT_SECONDS + END_TIMEOUT_SECONDS)
    except CommandFailed as error:
        fail(
            "browser", f"{url} does not answer: {str(error).splitlines()[-1]}", "Look at it with make status"
        )


def take_screenshot(session: Session, url: str, file: Path) -> None:
    """Write a picture of the page, as a first visitor sees it."""
    picture = "picture.png"
    profile = f"--user-data-dir={SESSION}/profile"
    session.run(
        ["chromium", HEADLESS, *FLAGS, profile, f"--screenshot={SESSION}/{picture}", url],
        PAGE_TIMEOUT_SECONDS,
    )
    shutil.copy(session.directory / picture, file)


def show(url: str, screenshot: Path | None, environment: Mapping[str, str]) -> None:
    """Open the page in a window and wait until it is closed, or take a picture where there is no display."""
    windowed = screenshot is None or "DISPLAY" in environment
    if windowed and "DISPLAY" not in environment:
        fail("browser", "there is no display (DISPLAY is not set)", "Name a file with --screenshot")
    with open_session() as session:
        require_page(session, url)
        if not windowed and screenshot:
            take_screenshot(session, url, screenshot)
            print(f"{url}: there is no display, so a picture was taken: {screenshot}")
            return
        with run_chromium(session, [url]) as process:
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m rehearsal.browser", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="used where there is no display")
    options = parser.parse_args()
    try:
        show(options.url, options.screenshot, os.environ)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
