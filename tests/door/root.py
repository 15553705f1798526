"""The root file system of the front door's tests: what images/front-door and images/acme hold, and sslyze."""

from __future__ import annotations

from pathlib import Path

from rehearsal import acme, inputs, paths
from rehearsal.host import step
from rehearsal.registries import secret_files
from rehearsal.rootfs import Root, RootSpec, build_root

IMAGES = paths.CHECKOUT / "images"
MAKE_VENV = IMAGES / "build" / "make-venv.sh"
ACME_REQUIREMENTS = IMAGES / "acme" / "requirements.txt"
SSLYZE_REQUIREMENTS = Path(__file__).with_name("sslyze.txt")
# sslyze comes as sources alone, which make-venv.sh takes from nobody.
MAKE_SSLYZE = 'python3 -m venv "$1" && exec "$1/bin/pip" install --quiet --require-hashes --requirement "$2"'
SUITE = "trixie"
SPEC = RootSpec(
    directory=paths.ROOTS / "door",
    suite=SUITE,
    packages=(
        "curl",
        "iptables",
        "nftables",
        "nginx",
        "openssl",
        "python3",
        "python3-pip",
        "python3-venv",
    ),
    revision=inputs.digest(MAKE_VENV, ACME_REQUIREMENTS, SSLYZE_REQUIREMENTS, MAKE_SSLYZE),
)
LOG = paths.LOGS / "door.log"
VENV_TIMEOUT_SECONDS = 600
MACHINE_SETTINGS = {"pip.conf": "PIP_CONFIG_FILE", "ca-bundle.crt": "PIP_CERT"}


def _make_virtualenvs(root: Root) -> None:
    making = (
        ("/opt/venv", ACME_REQUIREMENTS, ["bash", "/run/make-venv.sh"]),
        ("/opt/sslyze", SSLYZE_REQUIREMENTS, ["sh", "-c", MAKE_SSLYZE, "sh"]),
    )
    with secret_files(SUITE, paths.BUILDS) as secrets:
        shared = {file: f"run/secrets/{name}" for name, file in secrets.items() if name in MACHINE_SETTINGS}
        settings = {
            variable: f"/run/secrets/{name}" for name, variable in MACHINE_SETTINGS.items() if name in secrets
        }
        for directory, requirements, command in making:
            with step(f"door root: {directory}"):
                root.run(
                    [*command, directory, "/run/requirements.txt"],
                    log=LOG,
                    environment=settings,
                    binds={**shared, MAKE_VENV: "run/make-venv.sh", requirements: "run/requirements.txt"},
                    timeout_seconds=VENV_TIMEOUT_SECONDS,
                )


def build() -> None:
    """Build it, and the ACME server, unless they are current."""
    build_root(SPEC, title="door root", log=LOG, finish=_make_virtualenvs)
    acme.build(SPEC.directory)


if __name__ == "__main__":
    build()
