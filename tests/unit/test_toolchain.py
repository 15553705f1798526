"""Finding, verifying and unpacking Pulumi, with directories that only look like it."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import urllib.request
from pathlib import Path

import pytest

from scripts import toolchain
from scripts.environment import pulumi_environment, read_client_environment
from scripts.paths import REQUIREMENTS
from scripts.toolchain import Installation, Versions, find_faults, provide_pulumi, read_choice, record_choice
from swarmhub.errors import UserError

VERSIONS = Versions(pulumi="3.1.4", plugins={"docker": "5.1.0", "command": "1.2.1"})


def write_executable(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make_home(
    home: Path, *, version: str = "3.1.4", plugins: tuple[str, ...] = ("docker-v5.1.0", "command-v1.2.1")
) -> Installation:
    write_executable(home / "bin" / "pulumi", f"#!/bin/sh\necho v{version}\n")
    write_executable(home / "bin" / "pulumi-language-python")
    for plugin in plugins:
        write_executable(home / "plugins" / f"resource-{plugin}" / f"pulumi-resource-{plugin.split('-v')[0]}")
    return Installation(binary=home / "bin" / "pulumi", home=home)


def make_distribution(directory: Path, tmp_path: Path, *, good_sum: bool = True) -> Path:
    make_home(tmp_path / "source")
    directory.mkdir(parents=True)
    archive = directory / toolchain.DISTRIBUTION_ARCHIVE
    with tarfile.open(archive, "w:xz") as stream:
        for part in ("bin", "plugins"):
            stream.add(tmp_path / "source" / part, part)
    digest = hashlib.sha256(archive.read_bytes() if good_sum else b"").hexdigest()
    (directory / "SHA256SUMS").write_text(f"{digest}  {archive.name}\n")
    return directory


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", fail)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user without any Pulumi."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return {"PATH": "/usr/bin:/bin", "SWARMHUB_CACHE": str(tmp_path / "cache")}


def test_read_versions_takes_the_pins_of_the_lock() -> None:
    versions = toolchain.read_versions()
    frozen = (REQUIREMENTS / "run.txt").read_text()
    assert f"\npulumi=={versions.pulumi} " in frozen
    assert set(versions.plugins) == {"openstack", "docker", "command"}
    for name, version in versions.plugins.items():
        assert f"\npulumi-{name}=={version} " in frozen


def test_lock_files_carry_hashes_and_no_index() -> None:
    for path in toolchain.LOCK_FILES:
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_find_faults_names_each(tmp_path: Path) -> None:
    assert find_faults(make_home(tmp_path / "good"), VERSIONS) == []
    old = make_home(tmp_path / "old", version="3.0.0", plugins=("docker-v5.0.0",))
    assert find_faults(old, VERSIONS) == [
        "pulumi is 3.0.0, not 3.1.4",
        f"plugin docker 5.1.0 is missing in {old.home}",
        f"plugin command 1.2.1 is missing in {old.home}",
    ]
    nowhere = Installation(binary=tmp_path / "bin" / "pulumi", home=tmp_path)
    assert find_faults(nowhere, VERSIONS) == ["no bin/pulumi there"]


def test_a_fitting_pulumi_on_path_is_used(tmp_path: Path, machine: dict[str, str]) -> None:
    own = make_home(tmp_path / "own")
    environment = machine | {"PATH": f"{own.home}/bin:/usr/bin:/bin", "PULUMI_HOME": str(own.home)}
    assert provide_pulumi(environment, VERSIONS, tmp_path) == own


@pytest.mark.usefixtures("offline")
def test_a_distribution_is_unpacked_once(tmp_path: Path, machine: dict[str, str]) -> None:
    checkout = tmp_path / "work" / "main"
    make_distribution(checkout.parent / "shared" / "pulumi-dist", tmp_path)
    old = make_home(tmp_path / "own", version="3.0.0")
    environment = machine | {"PATH": f"{old.home}/bin:/usr/bin:/bin"}
    first = provide_pulumi(environment, VERSIONS, checkout)
    assert first.home == tmp_path / "cache" / "pulumi" / "3.1.4"
    made = (first.home / "bin").stat().st_ino
    assert provide_pulumi(environment, VERSIONS, checkout) == first
    assert (first.home / "bin").stat().st_ino == made


@pytest.mark.usefixtures("offline")
def test_an_interrupted_unpack_is_started_afresh(
    tmp_path: Path, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = make_distribution(tmp_path / "dist", tmp_path)
    environment = machine | {"SWARMHUB_PULUMI_DIST": str(distribution)}
    homes = tmp_path / "cache" / "pulumi"
    write_executable(homes / ".partial-killed" / "bin" / "pulumi")

    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", interrupt)
        with pytest.raises(KeyboardInterrupt):
            provide_pulumi(environment, VERSIONS, tmp_path)
    assert [path.name for path in homes.iterdir()] == [".lock"]
    assert provide_pulumi(environment, VERSIONS, tmp_path).home == homes / "3.1.4"


@pytest.mark.usefixtures("offline")
def test_a_bad_checksum_is_never_unpacked(tmp_path: Path, machine: dict[str, str]) -> None:
    distribution = make_distribution(tmp_path / "dist", tmp_path, good_sum=False)
    environment = machine | {"SWARMHUB_PULUMI_DIST": str(distribution)}
    with pytest.raises(UserError) as refusal:
        provide_pulumi(environment, VERSIONS, tmp_path)
    cached = tmp_path / "cache" / "pulumi" / "3.1.4" / "bin" / "pulumi"
    archive = toolchain.DISTRIBUTION_ARCHIVE
    assert str(refusal.value) == (
        f"pulumi: none that fits was found; tried {cached}: no bin/pulumi there; "
        f"{distribution}: {archive} does not have the checksum listed in SHA256SUMS, so it was not used; "
        "https://get.pulumi.com: the installer could not be downloaded (no route to host). "
        "Needed are Pulumi 3.1.4 and its plugins docker 5.1.0 and command 1.2.1. "
        "Install it (https://www.pulumi.com/docs/install), or set SWARMHUB_PULUMI_DIST to a directory with "
        f"{archive} and its SHA256SUMS, then run make setup again."
    )
    assert not cached.exists()


def test_the_official_installer_fills_the_cache(
    tmp_path: Path, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in installer writes a pulumi that installs a plugin as the real one would."""
    pulumi = tmp_path / "pulumi.sh"
    write_executable(
        pulumi,
        '#!/bin/sh\n[ "$1" = version ] && { echo v3.1.4; exit; }\n'
        'plugin=$PULUMI_HOME/plugins/resource-$4-$5\nmkdir -p "$plugin"\n'
        'touch "$plugin/pulumi-resource-$4"\nchmod +x "$plugin/pulumi-resource-$4"\n',
    )
    installer = tmp_path / "installer"
    installer.write_text(
        f'[ "$1 $2 $3" = "--version 3.1.4 --install-root" ] || exit 9\n'
        f'mkdir "$4/bin"\ncp {pulumi} "$4/bin/pulumi"\n'
        'cp "$4/bin/pulumi" "$4/bin/pulumi-language-python"\n'
    )
    monkeypatch.setattr(toolchain, "OFFICIAL_INSTALLER", installer.as_uri())
    assert find_faults(provide_pulumi(machine, VERSIONS, tmp_path), VERSIONS) == []


def test_read_choice_without_setup_says_so(tmp_path: Path) -> None:
    path = tmp_path / "toolchain.json"
    with pytest.raises(UserError, match=r"^toolchain: it is not set up in this checkout\. Run make setup\.$"):
        read_choice(path)
    installation = make_home(tmp_path / "home")
    record_choice(installation, path)
    assert read_choice(path) == installation


def test_environment_keeps_state_in_the_checkout(tmp_path: Path) -> None:
    installation = make_home(tmp_path / "home")
    state = tmp_path / "state"
    places = {"state": state, "virtualenv": tmp_path / "venv", "home": tmp_path / "user"}
    environment = pulumi_environment(installation, {"PATH": "/bin"}, **places)
    passphrase = Path(environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert environment["PULUMI_BACKEND_URL"] == f"file://{state}"
    assert environment["PATH"] == f"{tmp_path}/venv/bin:{installation.home}/bin:/bin"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    text = passphrase.read_text()
    assert pulumi_environment(installation, {}, **places)["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(passphrase)
    assert passphrase.read_text() == text


def test_environment_respects_the_users_own(tmp_path: Path) -> None:
    installation = make_home(tmp_path / "home")
    places = {"state": tmp_path / "state", "virtualenv": tmp_path / "venv", "home": tmp_path / "user"}
    own = {"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_CONFIG_PASSPHRASE": "abc"}
    assert own.items() <= pulumi_environment(installation, own, **places).items()
    assert not (tmp_path / "state").exists()

    credentials = tmp_path / "user" / ".pulumi" / "credentials.json"
    credentials.parent.mkdir(parents=True)
    credentials.write_text('{"current": "https://pulumi.example.org"}')
    environment = pulumi_environment(installation, {}, **places)
    assert "PULUMI_BACKEND_URL" not in environment
    assert environment["PULUMI_CREDENTIALS_PATH"] == str(credentials.parent)


def test_read_client_environment(tmp_path: Path) -> None:
    path = tmp_path / "env"
    assert read_client_environment(path) == {}
    path.write_text("# written by the cloud\nexport OS_CLOUD=rehearsal\nSWARMHUB_REHEARSAL_ID='a b'\n")
    assert read_client_environment(path) == {"OS_CLOUD": "rehearsal", "SWARMHUB_REHEARSAL_ID": "a b"}


# What `python -m venv --clear DIRECTORY` does to whatever the directory leads to.
CLEARING_PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
rm -rf "$4"/*
mkdir -p "$4/bin"
printf '#!/bin/sh\\n' > "$4/bin/pip"
chmod +x "$4/bin/pip"
"""


def test_a_virtualenv_shared_by_a_link_is_left_to_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, own, lock = tmp_path / "shared", tmp_path / "own", tmp_path / "lock.txt"
    write_executable(shared / "bin" / "python")
    own.symlink_to(shared)
    lock.write_text("another lock\n")
    write_executable(tmp_path / "python", CLEARING_PYTHON)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    toolchain.provide_virtualenv(own, [lock])
    assert (shared / "bin" / "python").exists()
    assert not own.is_symlink()
    assert (own / "made-from").read_text() == toolchain.hash_lock([lock])
