"""Pebble, the ACME server of the rehearsal cloud: its program, its own TLS, its settings, its root."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import urllib.request
from pathlib import Path

from rehearsal import inputs, paths
from rehearsal.host import run, step
from rehearsal.registries import secret_files
from rehearsal.rootfs import in_root

# https://github.com/letsencrypt/pebble/releases
PEBBLE = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"
SCRIPT = Path(__file__).with_name("acme-build.sh")
REQUIREMENTS = Path(__file__).with_name("acme-requirements.txt")
LOG = paths.LOGS / "acme.log"
GO_SETTINGS = Path("~/.config/go/env")
GO_VARIABLES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOFLAGS")
BUILD_TIMEOUT_SECONDS = 900

DIRECTORY_PORT = 14000
MANAGEMENT_PORT = 15000
CERTIFICATE_DAYS = 3650
SECONDS_PER_DAY = 86_400
# As at Let's Encrypt, whose certificates for addresses are of the second kind.
PROFILE_DAYS = {"default": 90, "shortlived": 6}


def key() -> str:
    """Return the hash of what the program is built from."""
    return inputs.digest(PEBBLE, SCRIPT, REQUIREMENTS)


def build(root_directory: Path = paths.CLOUD_ROOT) -> bool:
    """Build Pebble into the artifacts unless it is current; return whether anything was done.

    ``root_directory`` is a root file system with Python's pip, to build in.
    """
    if inputs.is_current(paths.PEBBLE, key()):
        return False
    paths.ARTIFACTS.mkdir(parents=True, exist_ok=True)
    inputs.forget_key(paths.PEBBLE)
    with (
        step("ACME server: compiler from the Python package index, Pebble by the Go proxy"),
        secret_files("bookworm", paths.BUILDS) as machine,
        in_root(root_directory) as root,
    ):
        binds = {
            machine["pip.conf"]: "etc/pip.conf",
            SCRIPT: "run/build.sh",
            REQUIREMENTS: "run/requirements.txt",
            paths.ARTIFACTS: "run/artifacts",
        }
        if (go_settings := GO_SETTINGS.expanduser()).is_file():
            binds[go_settings] = "root/.config/go/env"
        root.run(
            ["sh", "/run/build.sh", "/run/requirements.txt", PEBBLE, "/run/artifacts/pebble"],
            log=LOG,
            environment={name: os.environ[name] for name in GO_VARIABLES if name in os.environ},
            binds=binds,
            timeout_seconds=BUILD_TIMEOUT_SECONDS,
        )
    inputs.record_key(paths.PEBBLE, key())
    return True


def settings(directory: Path) -> dict[str, object]:
    """Return Pebble's configuration; ``directory`` holds its own certificate."""
    return {
        "pebble": {
            "listenAddress": f"0.0.0.0:{DIRECTORY_PORT}",
            "managementListenAddress": f"0.0.0.0:{MANAGEMENT_PORT}",
            "certificate": str(directory / "server.pem"),
            "privateKey": str(directory / "server.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "retryAfter": {"authz": 1, "order": 1},
            "profiles": {
                name: {"description": name, "validityPeriod": days * SECONDS_PER_DAY}
                for name, days in PROFILE_DAYS.items()
            },
        }
    }


def make_certificates(directory: Path, address: str) -> None:
    """Make the authority and the certificate of Pebble's own HTTPS, unless they are there."""
    if (directory / "server.pem").exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    days = ("-days", str(CERTIFICATE_DAYS))
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    subject = "/CN=swarmhub rehearsal ACME directory"
    ca_extensions = (
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    run(
        [
            "openssl",
            "req",
            "-x509",
            *new_key,
            "-subj",
            subject,
            *days,
            *ca_extensions,
            "-keyout",
            ca_key,
            "-out",
            ca,
        ]
    )
    request = directory / "server.csr"
    server_key = directory / "server.key"
    run(["openssl", "req", *new_key, "-subj", f"/CN={address}", "-keyout", server_key, "-out", request])
    extensions = directory / "server.ext"
    extensions.write_text(
        f"subjectAltName=IP:{address},DNS:localhost\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
    )
    signing = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-extfile", extensions)
    partial = directory / "server.partial"
    run(["openssl", "x509", "-req", "-in", request, *signing, *days, "-out", partial])
    partial.rename(directory / "server.pem")


def write_settings(directory: Path) -> Path:
    """Write Pebble's configuration and return its path."""
    file = directory / "pebble.json"
    file.write_text(json.dumps(settings(directory), indent=2))
    return file


def fetch_issuing_root(address: str, directory_ca: Path) -> str:
    """Return the root certificate that Pebble signs with, as PEM; it is a new one after each start."""
    context = ssl.create_default_context(cafile=str(directory_ca))
    url = f"https://{address}:{MANAGEMENT_PORT}/roots/0"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode())
