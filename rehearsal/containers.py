"""Container images: built from images/ by a private Docker daemon, on a base of Debian packages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal import guest_root, image_store, inputs, network, paths
from rehearsal.host import step, wait_for
from rehearsal.registries import secret_files
from rehearsal.rootfs import Root, RootSpec, build_root, in_root, remove_tree

DIRECTORY = paths.CHECKOUT / "images"
NAMES = ("hub", "user", "proxy", "front-door", "acme", "registry")
TAGS = {name: f"swarmhub/{name}:dev" for name in NAMES}

SUITE = "trixie"
BASE_TAG = f"swarmhub/base:{SUITE}"
BASE = paths.BUILDS / "container-base"
DAEMON = paths.BUILDS / "docker"
STORE = paths.BUILDS / "images"
LOG = paths.LOGS / "containers.log"
DAEMON_LOG = paths.LOGS / "containers-dockerd.log"
BUILD_TIMEOUT_SECONDS = 1800

# As in Debian's own images: where the machine fetches from stays out of what it builds.
PUBLIC_SOURCES = """\
Types: deb
URIs: http://deb.debian.org/debian
Suites: {suite} {suite}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.{key_format}

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: {suite}-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.{key_format}
"""
MACHINE_FILES = (
    "etc/apt/sources.list",
    "etc/apt/apt.conf.d/90machine",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/local/share/ca-certificates",
    "etc/resolv.conf",
    "etc/hostname",
)
NEVER_READ = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/log")
MOUNTED_DAEMON = "srv/docker"
SOCKET = f"unix:///{MOUNTED_DAEMON}/docker.sock"


def base_spec() -> RootSpec:
    """Return what the base of all images is made of."""
    return RootSpec(
        directory=BASE,
        suite=SUITE,
        base_packages=(),
        revision=inputs.digest(PUBLIC_SOURCES, *MACHINE_FILES, *NEVER_READ),
    )


def key() -> str:
    """Return the hash of everything the images are made from."""
    return inputs.digest(DIRECTORY, base_spec().key, guest_root.SPEC.key, *sorted(TAGS.values()))


def forget_machine(root: Root, suite: str) -> None:
    """Take out of a root file system what its building machine needed to fetch packages."""
    for name in MACHINE_FILES:
        path = root.directory / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    key_formats = ("pgp", "gpg")
    keyring = root.directory / "usr/share/keyrings/debian-archive-keyring"
    key_format = next(one for one in key_formats if keyring.with_suffix(f".{one}").exists())
    sources = PUBLIC_SOURCES.format(suite=suite, key_format=key_format)
    root.write("etc/apt/sources.list.d/debian.sources", sources)


def _trim(root: Root) -> None:
    forget_machine(root, SUITE)
    for name in NEVER_READ:
        shutil.rmtree(root.directory / name, ignore_errors=True)
        (root.directory / name).mkdir()


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A running private Docker daemon and the root file system its client is run in."""

    root: Root
    binds: Mapping[Path, str]

    def docker(
        self,
        *arguments: str,
        binds: Mapping[Path, str] | None = None,
        log: Path | None = None,
        input_text: str | None = None,
    ) -> str:
        """Run the Docker client; the first entries of ``binds`` are the daemon's own."""
        return self.root.run(
            ["docker", "--host", SOCKET, *arguments],
            binds={**self.binds, **(binds or {})},
            environment={"DOCKER_BUILDKIT": "1"},
            log=log,
            input_text=input_text,
            timeout_seconds=BUILD_TIMEOUT_SECONDS,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_daemon(namespace: str) -> Iterator[Daemon]:
    """Have a Docker daemon that builds in a network namespace and touches nothing of the machine's."""
    DAEMON.mkdir(parents=True, exist_ok=True)
    for name in ("run", "containerd"):
        remove_tree(DAEMON / name)
        (DAEMON / name).mkdir()
    resolv_conf = DAEMON / "resolv.conf"
    resolv_conf.write_text(f"nameserver {network.HOST_ADDRESS}\n")
    binds = {
        # A mount point of its own: Docker and runc pivot roots, which a plain directory does not allow.
        guest_root.SPEC.directory: ".",
        DAEMON: MOUNTED_DAEMON,
        DAEMON / "containerd": "run/containerd",
        resolv_conf: "etc/resolv.conf",
    }
    command = [
        "dockerd",
        f"--host={SOCKET}",
        f"--data-root=/{MOUNTED_DAEMON}/data",
        f"--exec-root=/{MOUNTED_DAEMON}/run",
        f"--pidfile=/{MOUNTED_DAEMON}/run/docker.pid",
        "--storage-driver=overlay2",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
    ]
    with in_root(guest_root.SPEC.directory) as root:
        process = root.start(command, log=DAEMON_LOG, binds=binds, namespace=namespace)
        try:
            wait_for(
                "Docker daemon for image builds",
                (DAEMON / "docker.sock").is_socket,
                log=DAEMON_LOG,
                timeout_seconds=60,
                interval_seconds=0.2,
                while_true=lambda: process.poll() is None,
            )
            yield Daemon(root=root, binds=binds)
        finally:
            _end(process)
            (DAEMON / "docker.sock").unlink(missing_ok=True)


def import_base(daemon: Daemon) -> None:
    """Have the base of all images in a daemon, under BASE_TAG."""
    label = "org.swarmhub.base-key"
    wanted = base_spec().key
    known = daemon.docker("image", "ls", "--quiet", "--filter", f"label={label}={wanted}", BASE_TAG)
    if known.strip():
        return
    command = (
        'tar --numeric-owner --sort=name -C /srv/base -c . | docker --host "$1" import --change "$2" - "$3"'
    )
    daemon.root.run(
        ["sh", "-c", command, "sh", SOCKET, f"LABEL {label}={wanted}", BASE_TAG],
        binds={**daemon.binds, BASE: "srv/base"},
        log=LOG,
    )


def _build_image(daemon: Daemon, name: str, secrets: Mapping[str, Path]) -> None:
    log = paths.LOGS / f"containers-{name}.log"
    log.unlink(missing_ok=True)
    binds = {DIRECTORY: "srv/images", **{file: f"srv/secrets/{secret}" for secret, file in secrets.items()}}
    options = ["--network=host", "--progress=plain", f"--build-arg=BASE={BASE_TAG}", f"--tag={TAGS[name]}"]
    options += [f"--secret=id={secret},src=/srv/secrets/{secret}" for secret in secrets]
    daemon.docker(
        "build", *options, f"--file=/srv/images/{name}/Dockerfile", "/srv/images", binds=binds, log=log
    )


def build() -> Path:
    """Build the images unless nothing they are made of changed; return the store that holds just them."""
    wanted = key()
    if inputs.is_current(STORE, wanted):
        return STORE
    guest_root.build()
    build_root(base_spec(), title="container base", log=LOG, finish=_trim)
    inputs.forget_key(STORE)
    with (
        network.connected() as namespace,
        running_daemon(namespace) as daemon,
        secret_files(SUITE, paths.RUN) as secrets,
    ):
        with step("container images: base"):
            import_base(daemon)
        with step(f"container images: {', '.join(NAMES)}"), ThreadPoolExecutor(len(NAMES)) as builders:
            list(builders.map(lambda name: _build_image(daemon, name, secrets), NAMES))
        daemon.docker("image", "prune", "--force", log=LOG)
    with step("container images: store"):
        image_store.extract(DAEMON / "data", list(TAGS.values()), STORE)
    inputs.record_key(STORE, wanted)
    return STORE
