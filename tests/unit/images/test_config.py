from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmhub_hub.config import (
    ConfigError,
    Secrets,
    load_secrets,
    load_settings,
    parse_settings,
    trait_values,
)

DOCUMENT: dict[str, Any] = {
    "public_url": "https://hub.example.org",
    "hub_service": "hub",
    "proxy_api_url": "http://proxy:8001",
    "state_directory": "/srv/state",
    "login": {
        "kind": "shared-password",
        "admins": ["ada"],
        "groups": {"instructors": ["ada"]},
        "allowed_users": [],
        "allow_all": True,
        "provider": None,
    },
    "probe_user": "swarmhub-probe",
    "announcement": "",
    "cull_after_seconds": 3600,
    "user_server": {
        "environments": [
            {
                "name": "only",
                "description": "",
                "image": "swarmhub/user:dev",
                "memory_gb": 1.5,
                "cpus": 1,
                "default_url": "/lab",
            }
        ],
        "network": "hub",
        "pids": 2000,
        "gpus": 0,
        "system_memory_gb": 0.5,
        "start_timeout_seconds": 300,
        "http_timeout_seconds": 180,
        "placement": ["node.role==worker"],
    },
    "homes": {
        "directory": "/srv/homes",
        "nfs": {"server": "10.20.0.11", "export": "/homes", "options": "nfsvers=4.2,proto=tcp,hard,noatime"},
        "uid": 1000,
        "gid": 1000,
        "mount_path": "/home/jovyan",
        "shared": None,
    },
}
PASSWORDS = {"user-password": "u" * 12, "admin-password": "a" * 32}
SECRETS = Secrets(proxy_token="p" * 64, probe_token="t" * 64, login=PASSWORDS)


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


def problems_of(document: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(document)
    return str(caught.value).splitlines()


def test_servers_get_host_names_of_their_own_when_that_is_asked_for(document: dict[str, Any]) -> None:
    without = trait_values(parse_settings(document), SECRETS)
    assert "JupyterHub.subdomain_host" not in without
    with_hosts = trait_values(parse_settings({**document, "subdomains": True}), SECRETS)
    assert with_hosts["JupyterHub.subdomain_host"] == "https://hub.example.org"
    assert problems_of({**document, "subdomains": "yes"}) == ["subdomains: 'yes' is not true or false."]


def test_load_settings_takes_every_key(tmp_path: Path, document: dict[str, Any]) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text(yaml.safe_dump(document))
    settings = load_settings(file)
    assert settings.user_server.environments[0].memory_bytes == 1_610_612_736
    assert settings.homes is not None
    assert settings.homes.nfs.server == "10.20.0.11"


def test_parse_settings_accepts_no_homes(document: dict[str, Any]) -> None:
    document["homes"] = None
    assert parse_settings(document).homes is None


def test_the_shared_folder_is_on_the_homes_server(document: dict[str, Any]) -> None:
    document["homes"]["shared"] = {"export": "/shared", "mount_path": "/shared", "writers": "instructors"}
    homes = parse_settings(document).homes
    assert homes is not None and homes.shared is not None
    assert homes.shared.nfs.driver_options() == {
        "type": "nfs4",
        "device": ":/shared",
        "o": "addr=10.20.0.11,rw,nfsvers=4.2,proto=tcp,hard,noatime",
    }
    del document["homes"]["shared"]["writers"]
    assert problems_of(document) == ["homes.shared.writers: is missing. It must be the name of a group."]


def test_servers_have_the_sites_variables_and_none_without(document: dict[str, Any]) -> None:
    settings = parse_settings(document)
    secrets = Secrets(
        proxy_token="p", probe_token="q", login={"user-password": "u" * 8, "admin-password": "a" * 12}
    )
    assert settings.user_server.variables == {}
    document["user_server"]["variables"] = {"http_proxy": "http://proxy.example.org:3128"}
    values = trait_values(replace(settings, user_server=parse_settings(document).user_server), secrets)
    assert values["Spawner.environment"] == {"http_proxy": "http://proxy.example.org:3128"}
    document["user_server"]["variables"] = {"http_proxy": 3}
    assert problems_of(document) == ["user_server.variables.http_proxy: 3 is not a text."]


def test_parse_settings_names_a_missing_key(document: dict[str, Any]) -> None:
    del document["user_server"]["network"]
    assert problems_of(document) == ["user_server.network: is missing. It must be a text."]


def test_parse_settings_names_a_missing_section_once(document: dict[str, Any]) -> None:
    del document["login"]
    assert problems_of(document) == ["login: is missing. It must be a mapping."]


def test_parse_settings_guesses_at_a_misspelt_key(document: dict[str, Any]) -> None:
    document["user_server"]["environments"][0]["memory_mb"] = 512
    assert problems_of(document) == [
        (
            "user_server.environments[0].memory_mb: is not a setting. "
            "Did you mean user_server.environments[0].memory_gb?"
        )
    ]


def test_parse_settings_reports_all_problems(document: dict[str, Any]) -> None:
    document["public_url"] = "hub.example.org"
    document["login"]["kind"] = "password"
    document["homes"]["uid"] = "root"
    document["user_server"]["environments"][0]["cpus"] = True
    assert problems_of(document) == [
        "public_url: 'hub.example.org' is not an address that begins with http:// or https://.",
        (
            "login.kind: 'password' is not one of shared-password, roster, github, google, cilogon, "
            "globus, oidc."
        ),
        "user_server.environments[0].cpus: True is not a number above 0.",
        "homes.uid: 'root' is not a whole number of at least 0.",
    ]


@pytest.mark.parametrize("content", [None, [], "text"])
def test_parse_settings_refuses_what_is_no_mapping(content: object) -> None:
    assert problems_of(content) == [f"hub.yaml: a mapping is needed, not {content!r}."]


def test_load_settings_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"hub\.yaml: cannot be read \(No such file or directory\)"):
        load_settings(tmp_path / "hub.yaml")


def write_secrets(directory: Path, **changed: str) -> None:
    values = {"proxy_token": SECRETS.proxy_token, "probe_token": SECRETS.probe_token, **PASSWORDS}
    for name, value in (values | changed).items():
        (directory / name.replace("_", "-")).write_text(value + "\n")


def test_load_secrets_reads_the_files(tmp_path: Path) -> None:
    write_secrets(tmp_path)
    assert load_secrets(tmp_path, "shared-password") == SECRETS


def test_load_secrets_says_what_is_wrong_without_the_secret(tmp_path: Path) -> None:
    write_secrets(tmp_path, user_password="hunter2")
    (tmp_path / "probe-token").unlink()
    with pytest.raises(ConfigError) as caught:
        load_secrets(tmp_path, "shared-password")
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).splitlines() == [
        (
            f"{tmp_path}/probe-token: cannot be read (No such file or directory). "
            "Give the hub's service the secret probe-token."
        ),
        f"{tmp_path}/user-password: has 7 characters. At least 8 are needed.",
    ]


def test_load_secrets_wants_two_passwords(tmp_path: Path) -> None:
    write_secrets(tmp_path, user_password=PASSWORDS["admin-password"])
    with pytest.raises(ConfigError, match="is the same as user-password"):
        load_secrets(tmp_path, "shared-password")


def test_trait_values_bind_the_probe_to_one_user(document: dict[str, Any]) -> None:
    roles = {
        role["name"]: role
        for role in trait_values(parse_settings(document), SECRETS)["JupyterHub.load_roles"]
    }
    role = roles["probe"]
    assert role["scopes"]
    assert all(scope.endswith("!user=swarmhub-probe") for scope in role["scopes"])


def test_trait_values_keep_the_database_on_the_data_volume(document: dict[str, Any]) -> None:
    values = trait_values(parse_settings(document), SECRETS)
    assert values["JupyterHub.db_url"] == "sqlite:////srv/state/jupyterhub.sqlite"
    assert values["JupyterHub.cookie_secret_file"].startswith("/srv/state/")


def test_the_culler_may_stop_servers_and_nothing_else(document: dict[str, Any]) -> None:
    values = trait_values(parse_settings(document), SECRETS)
    roles = {role["name"]: role["scopes"] for role in values["JupyterHub.load_roles"]}
    assert roles["idle-culler"] == ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    commands = {one["name"]: one.get("command") for one in values["JupyterHub.services"]}
    assert commands["idle-culler"][3:] == ["--timeout=3600", "--cull-every=300"]


def test_a_short_limit_is_looked_at_more_often(document: dict[str, Any]) -> None:
    document["cull_after_seconds"] = 60
    services = trait_values(parse_settings(document), SECRETS)["JupyterHub.services"]
    assert services[1]["command"][3:] == ["--timeout=60", "--cull-every=30"]


def test_zero_minutes_run_no_culler(document: dict[str, Any]) -> None:
    document["cull_after_seconds"] = 0
    values = trait_values(parse_settings(document), SECRETS)
    assert [one["name"] for one in values["JupyterHub.services"]] == ["probe"]
    assert [one["name"] for one in values["JupyterHub.load_roles"]] == ["probe"]


def test_trait_values_announce_that_files_do_not_last(document: dict[str, Any]) -> None:
    with_homes = trait_values(parse_settings(document), SECRETS)
    assert with_homes["JupyterHub.template_vars"]["announcement"](None) == ""
    assert with_homes["Spawner.notebook_dir"] == "/home/jovyan"
    without = trait_values(parse_settings({**document, "homes": None}), SECRETS)
    assert without["Spawner.notebook_dir"] == "~"
    assert "they are gone" in without["JupyterHub.template_vars"]["announcement"](None)
    assert without["SwarmHubSpawner.homes"] is None


def test_trait_values_promise_the_memory_they_limit(document: dict[str, Any]) -> None:
    document["user_server"]["gpus"] = 2
    values = trait_values(parse_settings(document), SECRETS)
    assert values["Spawner.mem_guarantee"] == values["Spawner.mem_limit"] == 1_610_612_736
    assert values["SwarmHubSpawner.generic_resources"] == {"GPU": 2}
