"""Root file systems: made by debootstrap from a mirror, entered in namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal import inputs, paths
from rehearsal.host import CommandFailed, fail, run, step, succeeds, system_environment
from rehearsal.mirror import Mirror, apt_settings, backports_preferences, find_mirror

ENTER = Path(__file__).with_name("enter-root.sh")
NETNS_DIRECTORY = Path("/run/netns")
NAMESPACE_RESOLV_CONF = paths.RUN / "resolv.conf"
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
LOCAL_CAS = "usr/local/share/ca-certificates"
# What every root needs to fetch packages and to be looked at.
BASE_PACKAGES = ("ca-certificates", "iproute2", "kmod", "procps")
DPKG_SETTINGS = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
"""
BUILD_RECIPE = "2"
_installing = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class RootSpec:
    """What a root file system is made of.

    ``mirror`` finds where it comes from; the suite tells whose it is.
    ``backports`` names source packages that come from the suite's backports, with what they need from there.
    ``revision`` stands for whatever else ``finish`` of build_root depends on, as a hash or a number.
    """

    directory: Path
    suite: str = "bookworm"
    mirror: Callable[[], Mirror] = find_mirror
    packages: tuple[str, ...] = ()
    base_packages: tuple[str, ...] = BASE_PACKAGES
    backports: tuple[str, ...] = ()
    revision: str = ""

    @property
    def key(self) -> str:
        """The hash of all of it."""
        parts = (
            BUILD_RECIPE,
            self.suite,
            " ".join(self.base_packages),
            " ".join(self.packages),
            *self.backports,
            self.revision,
        )
        return inputs.digest(*parts, DPKG_SETTINGS)


@dataclass(frozen=True)
class Root:
    """A root file system one can run commands in."""

    directory: Path

    def _entering(
        self,
        command: Sequence[str | Path],
        binds: Mapping[Path, str],
        namespace: str | None,
        own_processes: bool,
    ) -> list[str]:
        words: list[str | Path] = []
        if namespace:
            words += ["nsenter", f"--net={NETNS_DIRECTORY / namespace}"]
            binds = {NAMESPACE_RESOLV_CONF: "etc/resolv.conf", **binds}
        words += ["unshare", "--mount", "--propagation", "private"]
        words += ["--pid", "--fork", "--kill-child"] if own_processes else []
        words += ["sh", ENTER, self.directory]
        for source, target in binds.items():
            words += [source, target]
        return [str(word) for word in (*words, "--", *command)]

    def run(
        self,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        input_text: str | None = None,
        environment: Mapping[str, str] | None = None,
        binds: Mapping[Path, str] | None = None,
        namespace: str | None = None,
        timeout_seconds: float | None = None,
    ) -> str:
        """Run a command inside, in a mount and a process namespace that end with it; else as host.run.

        ``binds`` maps paths of the machine to places in the root, ``namespace`` names a network namespace.
        """
        return run(
            self._entering(command, binds or {}, namespace, own_processes=True),
            log=log,
            input_text=input_text,
            environment={"DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
            timeout_seconds=timeout_seconds,
        )

    def start(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        binds: Mapping[Path, str] | None = None,
        namespace: str | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command inside that goes on by itself: the process returned is the command's own."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            return subprocess.Popen(
                self._entering(command, binds or {}, namespace, own_processes=False),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=system_environment(environment),
                start_new_session=True,
                cwd="/",
            )

    def install(self, packages: Sequence[str], *, log: Path) -> None:
        """Install Debian packages without their recommendations."""
        options = ["--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
        self.run(["apt-get", "install", *options, *packages], log=log)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, replacing a link rather than following it out of the root."""
        file = self.directory / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)


@contextmanager
def in_root(directory: Path) -> Iterator[Root]:
    """Give access to a root file system with this machine's name servers set; nothing stays mounted."""
    if not (directory / "usr").is_dir():
        fail(
            "rehearsal", f"{directory} is not a root file system", "Run `python3 -m rehearsal install` first"
        )
    root = Root(directory)
    root.write("etc/resolv.conf", Path("/etc/resolv.conf").read_text())
    yield root


def mounts_below(directory: Path) -> list[str]:
    """Return the mount points at or below a directory, in this process's view."""
    prefix = str(directory)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point == prefix or point.startswith(prefix + "/")]


def remove_tree(directory: Path) -> None:
    """Delete a directory of the cache; raises UserError, deleting nothing, while it has mounts in it."""
    if mounted := mounts_below(directory):
        fail(
            f"remove {directory}",
            f"mounted there: {', '.join(mounted)}",
            f"End what uses it, then `umount {mounted[-1]}`",
            "Nothing is deleted through a mount",
        )
    if directory.exists():
        run(["rm", "-rf", "--one-file-system", directory])


def ca_bundle() -> Path | None:
    """Return the file of certificate authorities this machine trusts."""
    candidates = (os.environ.get("SSL_CERT_FILE"), "/" + CA_BUNDLE)
    return next((Path(name) for name in candidates if name and Path(name).is_file()), None)


def _trust_what_the_machine_trusts(root: Root, log: Path) -> None:
    local = Path("/") / LOCAL_CAS
    if local.is_dir():
        shutil.copytree(local, root.directory / LOCAL_CAS, dirs_exist_ok=True)
    if (root.directory / "usr/sbin/update-ca-certificates").exists():
        root.run(["update-ca-certificates"], log=log)
    if bundle := ca_bundle():
        root.write(CA_BUNDLE, bundle.read_text())


def _install_debootstrap(log: Path) -> None:
    if succeeds(["debootstrap", "--version"]):
        return
    try:
        run(["apt-get", "install", "--yes", "--no-install-recommends", "debootstrap"], log=log)
    except (CommandFailed, FileNotFoundError):
        fail(
            "install",
            "debootstrap is missing, and apt-get could not install it",
            f"Install debootstrap by hand; log: {log}",
            "It is the one package this project needs on the machine itself",
        )


def _debootstrap(spec: RootSpec, directory: Path, log: Path) -> None:
    mirror = spec.mirror()
    command: list[str | Path] = ["debootstrap", "--variant=minbase"]
    if mirror.keyring:
        command.append(f"--keyring={mirror.keyring}")
    if mirror.components != "main":
        command.append(f"--components={mirror.components.replace(' ', ',')}")
    if spec.base_packages:
        command.append(f"--include={','.join(spec.base_packages)}")
    # An older debootstrap has no script for a newer release.
    scripts = Path("/usr/share/debootstrap/scripts")
    script = [] if (scripts / spec.suite).exists() else [scripts / mirror.script]
    # In a mount namespace of its own: what debootstrap mounts goes with it.
    run(
        [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            *command,
            spec.suite,
            directory,
            mirror.uri,
            *script,
        ],
        log=log,
    )
    root = Root(directory)
    root.write("etc/apt/sources.list", mirror.sources_list(spec.suite))
    if spec.backports:
        root.write("etc/apt/sources.list.d/backports.list", mirror.backports_list(spec.suite))
        root.write("etc/apt/preferences.d/backports", backports_preferences(spec.suite, spec.backports))
    root.write("etc/apt/apt.conf.d/90machine", apt_settings())
    root.write("etc/dpkg/dpkg.cfg.d/90build", DPKG_SETTINGS)
    root.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)


def build_root(
    spec: RootSpec, *, title: str, log: Path, finish: Callable[[Root], None] | None = None
) -> bool:
    """Make a root file system unless it is there and made of the same; return whether anything was done.

    ``finish`` gets the root before it counts as complete. What an interrupted build left is made afresh.
    """
    if inputs.is_current(spec.directory, spec.key):
        return False
    with _installing:
        _install_debootstrap(log)
    partial = spec.directory.with_name(spec.directory.name + ".partial")
    remove_tree(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    with step(f"{title}: {spec.suite}"):
        _debootstrap(spec, partial, log)
    with in_root(partial) as root:
        _trust_what_the_machine_trusts(root, log)
        if spec.packages:
            with step(f"{title}: packages"):
                root.run(["apt-get", "update"], log=log)
                root.install(spec.packages, log=log)
        if finish:
            finish(root)
        (partial / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        for rest in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(partial / rest, ignore_errors=True)
            (partial / rest / "partial").mkdir(parents=True)
    inputs.forget_key(spec.directory)
    remove_tree(spec.directory)
    partial.rename(spec.directory)
    inputs.record_key(spec.directory, spec.key)
    return True
