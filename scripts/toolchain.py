"""Makes the virtualenv from the lock files and finds, unpacks or downloads the Pulumi that fits them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal.host import fail, step
from rehearsal.paths import CHECKOUT, cache_directory
from scripts.paths import REQUIREMENTS, STATE, VIRTUALENV
from scripts.steps import run_command

LOCK_FILES = (REQUIREMENTS / "run.txt", REQUIREMENTS / "dev.txt")
CHOICE_FILE = STATE / "toolchain.json"
DISTRIBUTION_ARCHIVE = "pulumi-home-linux-amd64.tar.xz"
OFFICIAL_INSTALLER = "https://get.pulumi.com"
VERSION_TIMEOUT_SECONDS = 30
DOWNLOAD_TIMEOUT_SECONDS = 20
INSTALL_TIMEOUT_SECONDS = 600
PIP_OPTIONS = ("--disable-pip-version-check", "--quiet", "--require-hashes", "--only-binary", ":all:")


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The Pulumi that the locked Python packages belong to."""

    pulumi: str
    plugins: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A Pulumi command line and the PULUMI_HOME that holds its plugins."""

    binary: Path
    home: Path


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One place where Pulumi was looked for, and why it did not serve."""

    place: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.place}: {self.outcome}"


class NoInstallation(Exception):
    """A place that was tried holds no Pulumi that fits; the text says why."""


def read_versions(requirements: Path = REQUIREMENTS / "run.in") -> Versions:
    """The pinned versions of Pulumi and its plugins, from the unfrozen requirements."""
    pins = dict(re.findall(r"^(pulumi(?:-\w+)?)==(\S+)$", requirements.read_text(), re.MULTILINE))
    plugins = {name.removeprefix("pulumi-"): version for name, version in pins.items() if name != "pulumi"}
    return Versions(pulumi=pins["pulumi"], plugins=plugins)


def find_faults(installation: Installation, versions: Versions) -> list[str]:
    """What keeps this installation from being used; empty when it fits."""
    if not os.access(installation.binary, os.X_OK):
        return ["no bin/pulumi there"]
    faults = []
    found = ask_version(installation)
    if found != versions.pulumi:
        faults.append(f"pulumi is {found or 'not answering'}, not {versions.pulumi}")
    if not os.access(installation.binary.with_name("pulumi-language-python"), os.X_OK):
        faults.append("pulumi-language-python is missing beside it")
    for name, version in versions.plugins.items():
        plugin = installation.home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
        if not os.access(plugin, os.X_OK):
            faults.append(f"plugin {name} {version} is missing in {installation.home}")
    return faults


def ask_version(installation: Installation) -> str | None:
    """The version that the binary states, without its leading v; None when it cannot be run."""
    try:
        answer = subprocess.run(
            [installation.binary, "version"],
            env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")}
            | {"PULUMI_HOME": str(installation.home), "PULUMI_SKIP_UPDATE_CHECK": "1"},
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().removeprefix("v")


def list_present(environment: Mapping[str, str]) -> list[Installation]:
    """The installations the user has: the one of his PULUMI_HOME, then the one on his PATH."""
    own_home = Path(environment.get("PULUMI_HOME") or os.path.expanduser("~/.pulumi"))
    present = [Installation(binary=own_home / "bin" / "pulumi", home=own_home)]
    on_path = shutil.which("pulumi", path=environment.get("PATH", ""))
    if on_path and Path(on_path).resolve() != present[0].binary.resolve():
        present.append(Installation(binary=Path(on_path).resolve(), home=own_home))
    return [installation for installation in present if installation.binary.exists()]


def list_distributions(environment: Mapping[str, str], checkout: Path = CHECKOUT) -> list[Path]:
    """Directories that may hold a ready PULUMI_HOME as an archive with its SHA256SUMS."""
    if named := environment.get("SWARMHUB_PULUMI_DIST"):
        return [Path(named)]
    return [checkout.parent / "shared" / "pulumi-dist"]


def verify_checksum(archive: Path) -> None:
    """Hold ``archive`` against the SHA256SUMS beside it. Raises NoInstallation."""
    sums = archive.with_name("SHA256SUMS")
    if not sums.is_file():
        raise NoInstallation("SHA256SUMS is missing, so the archive was not used")
    listed = {name.lstrip("*"): digest for digest, name in map(str.split, sums.read_text().splitlines())}
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if listed.get(archive.name) != digest:
        raise NoInstallation(
            f"{archive.name} does not have the checksum listed in SHA256SUMS, so it was not used"
        )


@contextmanager
def fresh_directory(destination: Path) -> Iterator[Path]:
    """A directory to fill, moved to ``destination`` as a whole when the block succeeds.

    Serialised by a lock, so what an interrupted run left half filled can be cleared away by the next.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with (destination.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in destination.parent.glob(".partial-*"):
            shutil.rmtree(stale)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=destination.parent))
        try:
            yield partial
            if destination.exists():
                shutil.rmtree(destination)
            partial.chmod(0o755)
            partial.rename(destination)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def unpack_distribution(distribution: Path, home: Path) -> None:
    """Unpack the archive in ``distribution`` as the PULUMI_HOME ``home``. Raises NoInstallation."""
    archive = distribution / DISTRIBUTION_ARCHIVE
    if not archive.is_file():
        raise NoInstallation(f"no {DISTRIBUTION_ARCHIVE} there")
    if (os.uname().sysname, os.uname().machine) != ("Linux", "x86_64"):
        raise NoInstallation(
            f"it is for Linux on x86_64, this is {os.uname().sysname} on {os.uname().machine}"
        )
    verify_checksum(archive)
    with fresh_directory(home) as partial:
        try:
            with tarfile.open(archive) as stream:
                if hasattr(tarfile, "data_filter"):
                    stream.extractall(partial, filter="data")
                else:
                    stream.extractall(partial)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise NoInstallation(f"{archive.name} could not be unpacked: {error}") from error


def download_official(home: Path, versions: Versions) -> None:
    """Fill ``home`` by the official installer and `pulumi plugin install`. Raises NoInstallation."""
    try:
        with urllib.request.urlopen(OFFICIAL_INSTALLER, timeout=DOWNLOAD_TIMEOUT_SECONDS) as answer:
            installer = answer.read()
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise NoInstallation(f"the installer could not be downloaded ({reason})") from error
    with fresh_directory(home) as partial:
        script = partial / "install.sh"
        script.write_bytes(installer)
        root = ["--install-root", str(partial), "--no-edit-path"]
        call_installer(["sh", str(script), "--version", versions.pulumi, *root], partial)
        for name, version in versions.plugins.items():
            call_installer(
                [f"{partial}/bin/pulumi", "plugin", "install", "resource", name, f"v{version}"], partial
            )
        script.unlink()


def call_installer(command: Sequence[str], home: Path) -> None:
    environment = os.environ | {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        subprocess.run(
            command,
            env=environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_TIMEOUT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        last_line = (error.stdout.strip().splitlines() or ["no output"])[-1]
        raise NoInstallation(f"`{Path(command[0]).name} {command[1]}` failed ({last_line})") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoInstallation(str(error)) from error


def provide_pulumi(
    environment: Mapping[str, str], versions: Versions, checkout: Path = CHECKOUT
) -> Installation:
    """The Pulumi to use, made in the cache when the user has none that fits.

    Raises UserError naming every place that was tried.
    """
    attempts = []
    cached_home = cache_directory(environment) / "pulumi" / versions.pulumi
    cached = Installation(binary=cached_home / "bin" / "pulumi", home=cached_home)
    for installation in [*list_present(environment), cached]:
        faults = find_faults(installation, versions)
        if not faults:
            return installation
        attempts.append(Attempt(place=str(installation.binary), outcome=", ".join(faults)))

    sources: list[tuple[str, Callable[[], None]]] = [
        (str(directory), lambda directory=directory: unpack_distribution(directory, cached_home))  # type: ignore[misc]
        for directory in list_distributions(environment, checkout)
    ]
    sources.append((OFFICIAL_INSTALLER, lambda: download_official(cached_home, versions)))
    for place, fill in sources:
        try:
            fill()
        except NoInstallation as reason:
            attempts.append(Attempt(place=place, outcome=str(reason)))
            continue
        faults = find_faults(cached, versions)
        if not faults:
            print(f"  Pulumi {versions.pulumi} from {place}", flush=True)
            return cached
        attempts.append(Attempt(place=place, outcome=", ".join(faults)))

    plugins = " and ".join(f"{name} {version}" for name, version in versions.plugins.items())
    fail(
        "pulumi",
        "none that fits was found; tried " + "; ".join(map(str, attempts)),
        "Install it (https://www.pulumi.com/docs/install), or set SWARMHUB_PULUMI_DIST to a directory with "
        f"{DISTRIBUTION_ARCHIVE} and its SHA256SUMS, then run make setup again",
        rule=f"Needed are Pulumi {versions.pulumi} and its plugins {plugins}",
    )


def hash_lock(lock_files: Sequence[Path] = LOCK_FILES) -> str:
    """What the virtualenv is made from: the frozen requirements."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in lock_files)).hexdigest()


def provide_venv_module() -> None:
    """See that this Python can make virtualenvs; Debian packages that apart. Raises UserError."""
    if answers(sys.executable, "import ensurepip"):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    commands = [["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", package]]
    as_typed = " && ".join(" ".join(command) for command in commands)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail("python3", "the module venv is incomplete here", f"Run as root: {as_typed}")
    with step(f"apt-get install {package}"):
        for command in commands:
            done = subprocess.run(
                command,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if done.returncode:
                fail("python3-venv", f"`{' '.join(command)}` failed:\n{tail(done.stdout)}", "Mend that first")


def answers(python: Path | str, statement: str = "") -> bool:
    """Whether that interpreter is there and runs ``statement``."""
    try:
        return subprocess.run([python, "-c", statement], capture_output=True).returncode == 0
    except OSError:
        return False


def tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def provide_virtualenv(directory: Path = VIRTUALENV, lock_files: Sequence[Path] = LOCK_FILES) -> None:
    """Make the virtualenv unless the one there works and has these lock files. Raises UserError."""
    stamp = directory / "made-from"
    wanted = hash_lock(lock_files)
    if stamp.is_file() and stamp.read_text() == wanted and answers(directory / "bin" / "python"):
        return
    provide_venv_module()
    if directory.is_symlink():
        # What it leads to is another checkout's, and --clear would empty it.
        directory.unlink()
    with step("virtualenv"):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        requirements = [argument for path in lock_files for argument in ("--requirement", str(path))]
        done = subprocess.run(
            [directory / "bin" / "pip", "install", *PIP_OPTIONS, *requirements],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            fail(
                "virtualenv",
                f"the locked packages could not be installed:\n{tail(done.stdout)}",
                "See that pip reaches a package index here (pip config list), then run make setup again",
            )
        stamp.write_text(wanted)


def record_choice(installation: Installation, path: Path = CHOICE_FILE) -> None:
    """Remember the chosen Pulumi for scripts/with-env, which must not search each time."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps({"binary": str(installation.binary), "home": str(installation.home)}, indent=2) + "\n"
    path.write_text(text)


def read_choice(path: Path = CHOICE_FILE) -> Installation:
    """The Pulumi that `make setup` chose. Raises UserError when there is none or it is gone."""
    try:
        choice = {name: Path(value) for name, value in json.loads(path.read_text()).items()}
        installation = Installation(**choice)
    except (OSError, ValueError, TypeError):
        fail("toolchain", "it is not set up in this checkout", "Run make setup")
    if not installation.binary.exists():
        fail("toolchain", f"{installation.binary} is gone", "Run make setup")
    return installation


def main() -> int:
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record_choice(provide_pulumi(os.environ, read_versions()))
        provide_virtualenv()
    return 0


if __name__ == "__main__":
    run_command(main)
