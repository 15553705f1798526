"""This machine's settings for package registries, as files for builds that must not keep them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rehearsal.mirror import apt_settings, find_mirror
from rehearsal.rootfs import ca_bundle

PIP_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "retries")
PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
NPM_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "~/.npmrc")
# Names of the machine's own files and habits, which mean nothing in a build.
NPM_LOCAL_SETTINGS = frozenset({"cafile", "ca", "nodedir", "prefix", "cache", "userconfig", "globalconfig"})


def pip_settings(files: list[Path], environ: Mapping[str, str]) -> str:
    """Merge pip's configuration files and environment into one file's text; local paths are left out."""
    values: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        parser.read(file)
        for section in ("global", "install"):
            if parser.has_section(section):
                values.update(parser.items(section))
    for setting in PIP_SETTINGS:
        if value := environ.get(f"PIP_{setting.upper().replace('-', '_')}"):
            values[setting] = value
    kept = configparser.RawConfigParser()
    kept.add_section("global")
    for setting in PIP_SETTINGS:
        words = [word for word in values.get(setting, "").split() if not word.startswith(("/", "~", "."))]
        if words:
            kept.set("global", setting, "\n".join(words))
    lines = ["[global]"]
    for setting, value in kept.items("global"):
        lines.append(f"{setting} = " + value.replace("\n", "\n    "))
    return "\n".join(lines) + "\n"


def npm_settings(files: list[Path], environ: Mapping[str, str]) -> str:
    """Merge npm's configuration files and environment into one file's text; local paths are left out."""
    lines: list[str] = []
    for file in files:
        if not file.exists():
            continue
        for line in file.read_text().splitlines():
            name = line.partition("=")[0].strip()
            if name and not name.startswith(("#", ";")) and name not in NPM_LOCAL_SETTINGS:
                lines.append(line.strip())
    for name, value in sorted(environ.items()):
        if name.lower() == "npm_config_registry":
            lines.append(f"registry={value}")
    return "".join(line + "\n" for line in lines)


def _existing(names: tuple[str, ...], *more: str | None) -> list[Path]:
    paths = [Path(name).expanduser() for name in (*names, *more) if name]
    return [path for path in paths if path.is_file()]


@contextmanager
def secret_files(suite: str, parent: Path) -> Iterator[dict[str, Path]]:
    """Give the settings as files of mode 0600, by secret name, for as long as a build lasts."""
    contents = {
        "sources.list": find_mirror().sources_list(suite),
        "apt.conf": apt_settings(),
        "pip.conf": pip_settings(_existing(PIP_FILES, os.environ.get("PIP_CONFIG_FILE")), os.environ),
        "npmrc": npm_settings(_existing(NPM_FILES, os.environ.get("NPM_CONFIG_USERCONFIG")), os.environ),
    }
    if bundle := ca_bundle():
        contents["ca-bundle.crt"] = bundle.read_text()
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix="secrets-") as directory:
        files: dict[str, Path] = {}
        for name, content in contents.items():
            file = Path(directory) / name
            file.touch(0o600)
            file.write_text(content)
            files[name] = file
        yield files
