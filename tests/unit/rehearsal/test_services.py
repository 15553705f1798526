from __future__ import annotations

import configparser
import json
from pathlib import Path

import pytest

from rehearsal import acme, credentials, inside, services
from tests.vm.machine import EMULATED_PROCESSOR, EMULATION

VALUES = {
    name: f"<{name}>"
    for name in (
        "address",
        "name_server",
        "bridge",
        "region",
        "host",
        "host_uuid",
        "data",
        "service_password",
        "metadata_secret",
        "fixed_key",
        "rndc_key",
        "dns_zone",
        "virt_type",
        "cpu_mode",
    )
}


def test_every_template_is_filled_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    services.write_settings(tmp_path, VALUES)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    fragments = {"common.conf", "service-credentials.ini"}
    others = {services.EMULATOR_WRAPPER}
    templates = {file.name for file in services.TEMPLATES.iterdir()} - fragments - others
    assert {file.name for file in written} == templates
    for file in written:
        assert "$" not in file.read_text()
        assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name", ["keystone", "glance", "placement", "nova", "neutron", "cinder", "designate"]
)
def test_every_service_configuration_parses(name: str) -> None:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=False)
    parser.read_string(services.render(f"{name}.conf", VALUES))
    if name != "keystone":
        assert parser["keystone_authtoken"]["password"] == "<service_password>"
        assert parser["DEFAULT"]["host"] == "<host>"


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="virt_type"):
        services.render("nova.conf", {name: value for name, value in VALUES.items() if name != "virt_type"})


def every_service() -> list[services.Service]:
    return [
        *services.backing_services(),
        services.keystone(),
        *services.openstack_services(),
        *services.dns_backing_services(),
        *services.dns_services(),
    ]


def test_no_secret_is_in_a_command() -> None:
    assert not [service.name for service in every_service() if "password" in " ".join(service.command)]


def test_service_names_are_unique() -> None:
    names = [service.name for service in every_service()]
    assert len(names) == len(set(names))


def test_clients_get_one_cloud_per_project_and_the_ordinary_one_first() -> None:
    passwords = {user: f"secret of {user}" for user in ("admin", "demo", "test")}
    clouds = json.loads(credentials.clouds_file(passwords))["clouds"]
    assert {name: cloud["auth"]["project_name"] for name, cloud in clouds.items()} == {
        "rehearsal": "demo",
        "rehearsal-test": "test",
        "rehearsal-admin": "admin",
    }
    assert clouds["rehearsal"]["auth"]["password"] == "secret of demo"
    assert set(inside.PROJECTS) < {cloud["auth"]["username"] for cloud in clouds.values()}


def test_the_environment_file_quotes_its_values() -> None:
    text = credentials.environment_file(Path("/a b/.rehearsal"), "the-id")
    assert "OS_CLIENT_CONFIG_FILE='/a b/.rehearsal/clouds.yaml'\n" in text
    assert "OS_CLOUD=rehearsal\n" in text
    assert "SWARMHUB_REHEARSAL_ID=the-id\n" in text


def test_pebble_validates_where_the_hub_listens() -> None:
    settings = acme.settings(Path("/acme"))["pebble"]
    assert isinstance(settings, dict)
    assert (settings["httpPort"], settings["tlsPort"]) == (80, 443)


def test_the_vm_tests_machine_is_emulated_as_the_clouds_guests_are() -> None:
    wrapper = (services.TEMPLATES / services.EMULATOR_WRAPPER).read_text()
    assert f"-accel/tcg) argument={EMULATION} ;;" in wrapper
    assert f"-cpu/*) argument={EMULATED_PROCESSOR} ;;" in wrapper
