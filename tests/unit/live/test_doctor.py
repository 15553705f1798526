"""`swarmhub doctor`: what it prints, and how it ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from live import preflight
from live.cli import main
from swarmhub.text import PROJECT_DIRECTORY
from tests.support.fake_cloud import FakeCloud, flavor, image

Golden = Callable[[str, str], None]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs it on the dev stack's file, with changes, against a cloud that has what that needs."""

    def run(**changes: Any) -> int:
        flavors = [flavor("s1.large", 2048, 16, 2), flavor("r1.medium", 2048, 16, 1)]
        cloud = FakeCloud(images=[image("debian-12")], flavors=flavors)
        examine = functools.partial(preflight.examine, connect=lambda _name, _region: cloud)
        monkeypatch.setattr("live.commands.doctor.examine", examine)
        document = yaml.safe_load((PROJECT_DIRECTORY / "Pulumi.dev.yaml").read_text())
        directory_ca = tmp_path / "directory-ca.pem"
        directory_ca.write_text("")
        document["config"]["swarmhub:tls"]["directory_ca_file"] = str(directory_ca)
        for path, value in changes.items():
            section, _, name = path.partition("__")
            document["config"].setdefault(f"swarmhub:{section}", {})[name] = value
        file = tmp_path / "Pulumi.spring.yaml"
        file.write_text(yaml.safe_dump(document))
        return main(["doctor", "--file", str(file)])

    return run


def test_a_sound_stack(doctor: Any, capsys: pytest.CaptureFixture[str], golden: Golden) -> None:
    assert doctor(site__price={"unit": "SU", "per_vcpu_hour": 1}) == 0
    golden("doctor-sound.txt", capsys.readouterr().out)


def test_everything_in_the_way_at_once(
    doctor: Any, capsys: pytest.CaptureFixture[str], golden: Golden
) -> None:
    worker = {"flavor": "s1.large", "count": 12}
    assert doctor(machines__worker=worker, workshop__users=60, site__volume_type="fsat") == 1
    golden("doctor-failures.txt", capsys.readouterr().out)


def test_files_that_are_missing_are_said_with_the_rest(
    doctor: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    environments = [{"name": "Course", "build": "/nowhere/course", "image": "example.org/base:1"}]
    login = {"kind": "roster", "roster_file": "/nowhere/roster.csv"}
    code = doctor(
        hub__environments=environments,
        hub__images={"registry": "swarmhub/registry:dev"},
        hub__login=login,
        site__volume_type="fsat",
    )
    assert code == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert [line.split()[1] for line in failed] == [
        "hub.login.roster_file:",
        "hub.environments[0].build:",
        "site.volume_type:",
    ]


def test_a_broken_file_is_refused_before_the_cloud_is_asked(
    doctor: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(site__imge="debian-12") == 1
    assert capsys.readouterr().err == "site.imge: this key is unknown. Did you mean image?\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("config: [", "while parsing"),
        ("[]", "it has no mapping config:"),
        ("config: 3", "it has no mapping config:"),
    ],
)
def test_what_is_no_stack_file_is_refused(
    content: str | None, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    if content is not None:
        file.write_text(content)
    assert main(["doctor", "--file", str(file)]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
