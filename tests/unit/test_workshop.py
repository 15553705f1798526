"""The whole graph as an engine would see it: parents, order, lifetimes, secrets, open ports."""

from __future__ import annotations

import base64
import copy
import json
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.remote_host import OperatorKey
from components.workshop import Workshop
from live.sweep import KINDS as SWEPT
from swarmhub.context import Context
from swarmhub.facts import ExistingVolume, LoginFacts, ProjectContents
from swarmhub.plan import PROBE_USER
from swarmhub.preflight import still_to_make
from swarmhub.roster import Person, password_of
from swarmhub.text import PROJECT_DIRECTORY
from tests.support.recording import COMPONENT_PREFIX, UNKNOWN, Graph, Recording, Resource
from tests.support.stacks import EXISTING_NETWORK, FLAVOR, OWN_CONTEXTS, dev_plan

KEY = OperatorKey(public="ssh-ed25519 AAAA operator", private="private key", private_file="/keys/id_ed25519")
HOST_KEY = "ssh-ed25519 HOSTKEY swarmhub\n-----BEGIN OPENSSH PRIVATE KEY-----\nhost private\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nregistry\n"
COMPONENTS = {
    f"swarmhub:{token}"
    for token in (
        "workshop:Workshop",
        "network:Network",
        "machine:Machine",
        "storage:Volume",
        "storage:FileSystem",
        "storage:Homes",
        "swarm:Swarm",
        "hub:Hub",
        "images:Images",
        "registry:Registry",
        "front_door:FrontDoor",
        "probe:Probe",
    )
}


@pytest.fixture(autouse=True)
def _directory_ca(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    monkeypatch.setattr("components.front_door.PROJECT_DIRECTORY", project)


def local_command(name: str, _inputs: Any) -> dict[str, Any]:
    return {"stdout": HOST_KEY if name.endswith("-host-key") else f"word-of-{name}", "stderr": ""}


def arguments_of(inputs: Any) -> list[str]:
    return list(json.loads(inputs["stdin"])["arguments"])


def remote_command(name: str, inputs: Any) -> dict[str, Any]:
    said = {"swarm-manager": "SWMTKN-1-token\n", "registry-configuration": CERTIFICATE}
    if name.startswith("images-worker-"):
        # What comes from a registry, in these tests.
        images = [each for each in arguments_of(inputs) if each.startswith(("ex", "10."))]
        said[name] = "".join(f"digest {image} sha256:abc\n" for image in images)
    if name == "images-manager":
        said[name] = "".join(f"id {image} sha256:of-{image}\n" for image in arguments_of(inputs)[1:])
    if name.startswith("own-images-"):
        said[name] = f"image: built in 7 s\nid {arguments_of(inputs)[1]} sha256:of-{name}\n"
    if name.startswith("swarm-worker-"):
        said[name] = f"id-of-{name}\n"
    return {"stdout": said.get(name, ""), "stderr": ""}


RECORDED: dict[str, Graph] = {}


def workshop(**options: Any) -> Graph:
    """The graph with these options; each is recorded once, for a recording takes a second."""
    key = repr(sorted(options.items()))
    if key not in RECORDED:
        RECORDED[key] = record_workshop(**options)
    return RECORDED[key]


def record_workshop(
    preview: bool = False,
    network: Any = None,
    volumes: Any = None,
    known: Any = None,
    login_facts: LoginFacts | None = None,
    contexts: dict[str, Context] | None = None,
    **changes: Any,
) -> Graph:
    plan = dev_plan(
        network=network, volumes=volumes, known=known, login_facts=login_facts, contexts=contexts, **changes
    )

    def program() -> None:
        made = Workshop("workshop", plan, KEY)
        for name, value in made.login.outputs(plan, made.url).items():
            pulumi.export(name, value)

    recording = Recording(
        preview=preview,
        outputs={"command:local:Command": local_command, "command:remote:Command": remote_command},
    )
    return recording.run(program)


@pytest.fixture
def graph() -> Graph:
    return workshop(machines__worker__count=2)


def by_name(graph: Graph) -> dict[str, Resource]:
    """The order of registration is not part of a graph: it follows whichever value is known first."""
    return {each.name: each for each in graph}


def changed_inputs(before: Graph, after: Graph) -> set[str]:
    old, new = by_name(before), by_name(after)
    return {name for name in old if old[name].inputs != new[name].inputs}


def in_a_machine(resource: Resource) -> bool:
    return resource.type.startswith("docker:") or resource.type == "command:remote:Command"


def test_every_component_is_listed_and_registers_its_outputs(graph: Graph) -> None:
    components = [each for each in graph if each.type.startswith(COMPONENT_PREFIX)]
    # The registry is there only where something is built.
    assert {each.type for each in components} == COMPONENTS - {"swarmhub:registry:Registry"}
    assert [each.name for each in components if each.outputs is None] == []


def test_every_resource_has_a_component_for_parent(graph: Graph) -> None:
    orphans = [each.name for each in graph if not each.parent and each.type != "swarmhub:workshop:Workshop"]
    assert orphans == []


@pytest.mark.parametrize("changes", [{}, {"network": EXISTING_NETWORK, "site__network": "campus"}])
def test_what_lives_in_a_machine_ends_with_it(changes: dict[str, Any]) -> None:
    inside = [each for each in workshop(**changes) if in_a_machine(each)]
    assert len(inside) > 10
    assert [each.name for each in inside if "-life-" not in each.deleted_with] == []


def test_only_web_and_ssh_are_open_to_the_world(graph: Graph) -> None:
    rules = [each.inputs for each in graph.by_type("SecGroupRule")]
    open_to_networks = {(r["remoteIpPrefix"], r["portRangeMin"]) for r in rules if r.get("remoteIpPrefix")}
    assert open_to_networks == {("0.0.0.0/0", 80), ("0.0.0.0/0", 443), ("172.24.4.1/32", 22)}
    assert all(r.get("remoteGroupId") == "network-members-id" for r in rules if not r.get("remoteIpPrefix"))


def test_only_the_manager_has_the_public_address_and_its_group(graph: Graph) -> None:
    assert [each.name for each in graph.by_type("FloatingIpAssociate")] == ["manager-address"]
    groups = {each.name: each.inputs["securityGroupIds"] for each in graph.by_type("Port")}
    assert groups == {
        "manager-port": ["network-members-id", "network-entrance-id", "network-homes-id"],
        "worker-1-port": ["network-members-id"],
        "worker-2-port": ["network-members-id"],
    }


def test_every_machine_is_closed_before_it_joins_the_swarm(graph: Graph) -> None:
    for step in ("swarm-manager", "swarm-worker-1", "swarm-worker-2"):
        document = json.loads(graph.named(step).inputs["stdin"])
        assert [each["name"] for each in document["before"]] == [
            "ensure-gateway-bridge.sh",
            "ensure-closed.sh",
        ]
        assert document["name"].startswith("ensure-swarm-")
        settings = next(each for each in document["files"] if each["path"] == "/etc/swarmhub/firewall.env")
        assert "MANAGER=10.20.0." in settings["content"]


def test_workers_are_reached_through_the_manager(graph: Graph) -> None:
    connection = graph.named("worker-1-ready").inputs["connection"]
    assert connection["host"].startswith("10.20.0.")
    assert connection["proxy"]["host"].startswith("172.24.4.")


def test_every_connection_verifies_the_generated_host_key(graph: Graph) -> None:
    connections = [each.inputs["connection"] for each in graph.by_type("command:remote:Command")]
    hops = connections + [each["proxy"] for each in connections if "proxy" in each]
    assert {hop["hostKey"] for hop in hops} == {"ssh-ed25519 HOSTKEY"}
    options = json.loads(graph.named("swarm-docker").inputs["sshOpts"])
    assert "StrictHostKeyChecking=yes" in options
    assert "KnownHostsCommand=/bin/echo %H ssh-ed25519 HOSTKEY" in options


SEED = "word-of-hub-roster-seed"
CLIENT_SECRET = "c1ient-s3cret"
LOGINS: dict[str, dict[str, Any]] = {
    "shared-password": {},
    "roster": {
        "hub__login": {"kind": "roster", "roster_file": "roster.csv"},
        "login_facts": LoginFacts(people=(Person(user="grace", full_name="Grace Hopper"),)),
    },
    "github": {
        "hub__login": {
            "kind": "github",
            "client_id": "hub",
            "client_secret": CLIENT_SECRET,
            "allowed_users": ["grace"],
        }
    },
}
SECRETS = (
    "private key",
    "host private",
    "word-of-",
    "SWMTKN-1-token",
    CLIENT_SECRET,
    base64.b64encode(CLIENT_SECRET.encode()).decode(),
    *(password_of(SEED, user) for user in ("ada", "grace", PROBE_USER)),
)


@pytest.mark.parametrize("login", LOGINS)
def test_secrets_stand_in_no_command_text_and_no_plain_input(login: str) -> None:
    graph = workshop(machines__worker__count=2, **LOGINS[login])
    for each in graph:
        for path, value in flatten(each.inputs):
            if any(secret in str(value) for secret in SECRETS):
                assert "create" not in path, f"{each.name}: a secret in a command text"
                covered = any(path == s or path.startswith((f"{s}.", f"{s}[")) for s in each.secret_paths)
                assert covered, f"{each.name}: {path} is not secret"


def flatten(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in flatten(v, f"{path}.{k}" if path else k)]
    if isinstance(value, list):
        return [pair for n, v in enumerate(value) for pair in flatten(v, f"{path}[{n}]")]
    return [(path, value)]


SECRET_FILES = {
    "shared-password": {"user-password", "admin-password"},
    "roster": {"roster"},
    "github": {"client-secret"},
}


@pytest.mark.parametrize("login", LOGINS)
def test_the_hub_gets_the_secrets_of_its_kind_of_login(login: str) -> None:
    graph = workshop(**LOGINS[login])
    mounted = graph.named("hub-hub").inputs["taskSpec"]["containerSpec"]["secrets"]
    files = {each["fileName"].removeprefix("/run/secrets/") for each in mounted}
    assert files == {"proxy-token", "probe-token"} | SECRET_FILES[login]
    assert {each["fileMode"] for each in mounted} == {0o400}


def test_the_client_secret_reaches_docker_encoded_and_secret() -> None:
    secret = workshop(**LOGINS["github"]).named("hub-client-secret", "docker:index/secret:Secret")
    assert base64.b64decode(secret.inputs["data"]).decode() == CLIENT_SECRET
    assert "data" in secret.secret_paths


def test_a_login_provider_is_told_where_to_send_people_back() -> None:
    exports = workshop(**LOGINS["github"]).exports
    assert exports["callback_url"] == "https://hub-172-24-4-50.rehearsal.test/hub/oauth_callback"
    assert not {"user_password", "admin_password", "roster"} & set(exports)


def test_the_roster_is_handed_out_as_a_secret_output() -> None:
    graph = workshop(**LOGINS["roster"])
    assert {"roster", "admin_password"} <= graph.secret_exports
    assert graph.exports["roster"] == [
        {"user": "grace", "full_name": "Grace Hopper", "password": password_of(SEED, "grace")},
        {"user": "ada", "full_name": "", "password": password_of(SEED, "ada")},
    ]
    assert "user_password" not in graph.exports


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("shared-password", "word-of-hub-user-password"),
        ("roster", password_of(SEED, PROBE_USER)),
        ("github", None),
    ],
)
def test_the_probe_logs_in_where_it_can(login: str, password: str | None) -> None:
    given = json.loads(workshop(**LOGINS[login]).named("probe-run").inputs["stdin"])
    assert given["user_password"] == password


def test_another_name_on_the_roster_changes_the_roster_alone() -> None:
    more = LoginFacts(people=(*LOGINS["roster"]["login_facts"].people, Person(user="mary")))
    before, after = workshop(**LOGINS["roster"]), workshop(**{**LOGINS["roster"], "login_facts": more})
    assert changed_inputs(before, after) == {"hub-roster"}


def test_the_join_token_is_shown_nowhere(graph: Graph) -> None:
    manager = graph.named("swarm-manager")
    assert manager.inputs["logging"] == "none"
    assert "stdout" in manager.additional_secret_outputs


def test_what_was_generated_is_generated_once(graph: Graph) -> None:
    generated = [
        each for each in graph.by_type("command:local:Command") if each.inputs.get("logging") == "none"
    ]
    assert len(generated) == 7
    assert all({"create", "interpreter"} <= set(each.ignore_changes) for each in generated)
    assert all("stdout" in each.additional_secret_outputs for each in generated)


def test_servers_keep_their_disks_when_image_or_user_data_change(graph: Graph) -> None:
    for server in graph.by_type("openstack:compute/instance:Instance"):
        assert {"imageId", "userData"} <= set(server.ignore_changes)


def test_the_hub_waits_for_storage_and_the_probe_for_everything(graph: Graph) -> None:
    hub, storage, probe = graph.named("hub-hub"), graph.named("homes-exports"), graph.named("probe-run")
    assert graph.awaits(hub, storage)
    for earlier in (
        "hub-hub",
        "hub-proxy",
        "homes-quotas",
        "front-door-certificate",
        "swarm-worker-1",
        "swarm-worker-2",
    ):
        assert graph.awaits(probe, graph.named(earlier)), earlier


PULL = "1500"


def images_of(graph: Graph, machine: str) -> list[str]:
    step = json.loads(graph.named(f"images-{machine}").inputs["stdin"])
    limit, *images = step["arguments"]
    assert (step["name"], limit) == ("ensure-images.sh", PULL)
    return list(images)


def test_every_machine_has_its_images_before_the_hub_starts_servers_from_them() -> None:
    choice = [{"name": "Python", "image": "example.org/python:1"}, {"name": "R", "image": "example.org/r:1"}]
    graph = workshop(machines__worker__count=2, hub__environments=choice, hub__images__user=None)
    for worker in ("worker-1", "worker-2"):
        assert images_of(graph, worker) == ["example.org/python:1", "example.org/r:1"]
        assert graph.awaits(graph.named("hub-hub"), graph.named(f"images-{worker}"))
        assert "timeout 1560 " in graph.named(f"images-{worker}").inputs["create"]
    assert images_of(graph, "manager") == [
        *("swarmhub/acme:dev", "swarmhub/front-door:dev", "swarmhub/hub:dev", "swarmhub/proxy:dev"),
    ]


BUILDING: dict[str, Any] = {
    "hub__environments": [
        {"name": "Own", "build": "own", "default": True},
        {"name": "R", "image": "example.org/r:1"},
        {"name": "Twice", "build": "own"},
    ],
    "hub__images__user": None,
    "contexts": {
        "Own": Context(digest="0123456789abcdef", archive="H4sI"),
        "Twice": Context(digest="0123456789abcdef", archive="H4sI"),
    },
}
OWN_IMAGE = "10.20.0.11:5000/own:0123456789abcdef"


def building(preview: bool = False, **changes: Any) -> Graph:
    return workshop(preview=preview, machines__worker__count=2, **{**BUILDING, **changes})


def test_an_image_is_built_once_and_is_on_every_worker_before_it_is_offered() -> None:
    graph = building()
    build = json.loads(graph.named("registry-1").inputs["stdin"])
    assert build["name"] == "ensure-built-image.sh"
    assert build["arguments"] == ["push", OWN_IMAGE, "2700"]
    assert build["input"] == "H4sI"
    for number in (1, 2):
        name = f"images-worker-{number}"
        worker = json.loads(graph.named(name).inputs["stdin"])
        assert worker["arguments"] == [
            PULL,
            "example.org/r:1",
            OWN_IMAGE,
            OWN_IMAGE.replace("own:", "twice:"),
        ]
        assert [each["name"] for each in worker["before"]] == ["ensure-registry-access.sh"]
        assert {each["path"] for each in worker["files"]} == {
            "/etc/swarmhub/registry.env",
            "/etc/docker/certs.d/10.20.0.11:5000/ca.crt",
        }
        # A worker proves itself by a certificate that it has once it is in the swarm.
        for earlier in ("registry-1", "registry-2", f"swarm-worker-{number}"):
            assert graph.awaits(graph.named(name), graph.named(earlier)), earlier
        assert graph.awaits(graph.named("hub-hub"), graph.named(name))
    config = base64.b64decode(graph.named("hub-config").inputs["data"]).decode()
    assert f"image: {OWN_IMAGE}@sha256:abc\n" in config


def test_students_get_images_by_digest_where_they_have_one() -> None:
    choice = [{"name": "Python", "image": "example.org/python:1"}, {"name": "Local", "image": "local:dev"}]
    graph = workshop(hub__environments=choice, hub__images__user=None)
    config = base64.b64decode(graph.named("hub-config").inputs["data"]).decode()
    assert re.findall(r"image: (\S+)", config) == ["example.org/python:1@sha256:abc", "local:dev"]


def test_a_number_has_the_workers_pull_again() -> None:
    assert changed_inputs(workshop(), workshop(hub__images__refresh=1)) == {"images-worker-1"}
    step = json.loads(workshop(hub__images__refresh=1).named("images-worker-1").inputs["stdin"])
    assert step["arguments"] == [PULL, "--again", "1", "swarmhub/user:dev"]


def test_the_registry_is_open_to_members_alone_and_holds_no_secret() -> None:
    graph = building()
    rule = next(each.inputs for each in graph.by_type("SecGroupRule") if each.inputs["portRangeMin"] == 5000)
    assert rule["remoteGroupId"] == "network-members-id"
    container = graph.named("registry-container").inputs
    assert container["networkMode"] == "host"
    assert container["capabilities"] == {"drops": ["ALL"]}
    assert "addr: 10.20.0.11:5000\n" in container["uploads"][0]["content"]
    assert "ports" not in container
    secret = {path for each in graph if each.name.startswith("registry-") for path in each.secret_paths}
    assert {path.partition(".")[0] for path in secret} <= {"connection"}


@pytest.mark.parametrize("nothing_named", [True, False])
def test_the_registrys_port_is_open_where_there_is_a_registry(nothing_named: bool) -> None:
    graph = workshop(**(NOTHING_NAMED if nothing_named else {}))
    opened = {each.inputs.get("portRangeMin") for each in graph.by_type("SecGroupRule")}
    there = [each for each in graph if each.name == "registry-container"]
    assert (5000 in opened, bool(there)) == (nothing_named, nothing_named)


def test_a_changed_context_builds_anew_and_rolls_the_hub() -> None:
    other = {**BUILDING["contexts"], "Own": Context(digest="fedcba9876543210", archive="H4sJ")}
    assert changed_inputs(building(), building(contexts=other)) == {
        *("registry-1", "images-worker-1", "images-worker-2", "hub-anchor", "hub-config", "probe-run"),
    }


def test_what_is_built_can_be_previewed() -> None:
    assert building(preview=True).named("registry-1").type == "command:remote:Command"


def test_a_build_goes_through_the_sites_proxy_and_not_to_the_registry() -> None:
    graph = building(site__http_proxy="http://proxy.example.org:3128")
    arguments = json.loads(graph.named("registry-1").inputs["stdin"])["arguments"]
    assert arguments[3] == "http://proxy.example.org:3128"
    assert "10.20.0.0/24" in arguments[4].split(",")


PUSH_PASSWORD = "t0ken-of-the-registry"
NOTHING_NAMED: dict[str, Any] = {
    f"hub__images__{name}": None for name in ("hub", "proxy", "front_door", "acme", "registry", "user")
}


def test_images_that_are_not_named_are_built_and_there_before_what_runs_from_them() -> None:
    graph = workshop(**NOTHING_NAMED)
    users = {
        "hub": "hub-hub",
        "proxy": "hub-proxy",
        "front-door": "front-door-nginx",
        "acme": "front-door-certificate",
        "registry": "registry-container",
    }
    for directory, user in users.items():
        build = graph.named(f"own-images-{directory}")
        step = json.loads(build.inputs["stdin"])
        image = f"swarmhub/{directory}:{OWN_CONTEXTS[directory].digest}"
        assert (step["name"], step["arguments"][:2]) == ("ensure-built-image.sh", ["keep", image])
        assert graph.awaits(graph.named(user), build), user
        # The machine's rules are there before what is built runs behind them.
        assert graph.awaits(build, graph.named("swarm-manager"))
    assert not [each for each in graph if each.name == "images-manager"]
    pushed = json.loads(graph.named("registry-1").inputs["stdin"])["arguments"]
    assert pushed[:2] == ["push", f"10.20.0.11:5000/user:{OWN_CONTEXTS['user'].digest}"]
    assert graph.awaits(graph.named("images-worker-1"), graph.named("registry-1"))


def test_services_are_of_what_is_on_the_machines_and_not_of_a_name() -> None:
    """By a name, Docker would ask a public registry what is called so there."""

    def images(graph: Graph) -> dict[str, str]:
        services = {each.name: each.inputs["taskSpec"] for each in graph.by_type("Service")}
        return {name: spec["containerSpec"]["image"] for name, spec in services.items()}

    assert images(workshop()) == {
        "hub-hub": "sha256:of-swarmhub/hub:dev",
        "hub-proxy": "sha256:of-swarmhub/proxy:dev",
        # No worker said what this one is.
        "hub-anchor": "swarmhub/user:dev",
    }
    assert images(workshop(**NOTHING_NAMED)) == {
        "hub-hub": "sha256:of-own-images-hub",
        "hub-proxy": "sha256:of-own-images-proxy",
        "hub-anchor": f"10.20.0.11:5000/user:{OWN_CONTEXTS['user'].digest}@sha256:abc",
    }


def test_own_images_are_built_at_the_same_time_and_can_be_previewed() -> None:
    graph = workshop(preview=True, **NOTHING_NAMED)
    built = [each for each in graph if each.name.startswith("own-images-")]
    assert len(built) == len(OWN_CONTEXTS) - 1
    assert not any(graph.awaits(one, other) for one in built for other in built if one is not other)


def test_what_is_built_is_pushed_to_the_sites_registry_and_nothing_waits_for_it() -> None:
    push = {"repository": "registry.example.org/school", "user": "robot", "password": PUSH_PASSWORD}
    graph = workshop(**NOTHING_NAMED, hub__images__push=push)
    builds = {name: f"own-images-{name}" for name in ("hub", "proxy", "front-door", "acme", "registry")}
    names = {}
    for label, directory, build, here in (
        *((name, name, build, f"swarmhub/{name}") for name, build in builds.items()),
        ("1", "user", "registry-1", "10.20.0.11:5000/user"),
    ):
        pushed = graph.named(f"pushed-images-{label}")
        step, digest = json.loads(pushed.inputs["stdin"]), OWN_CONTEXTS[directory].digest
        names[directory] = f"registry.example.org/school/{directory}:{digest}"
        assert step["name"] == "push-image.sh"
        assert step["arguments"][1:] == [f"{here}:{digest}", names[directory], "robot"]
        assert step["input"] == PUSH_PASSWORD
        assert "stdin" in pushed.secret_paths
        assert graph.awaits(pushed, graph.named(build))
        assert not [each.name for each in graph if each is not pushed and graph.awaits(each, pushed)]
    assert set(dev_plan(**NOTHING_NAMED, hub__images__push=push).pushed) == set(names.values())


def test_what_is_named_is_pulled_and_the_rest_is_built() -> None:
    graph = workshop(hub__images__proxy=None)
    assert [each.name for each in graph if each.name.startswith("own-images-")] == ["own-images-proxy"]
    pulled = json.loads(graph.named("images-manager").inputs["stdin"])["arguments"]
    assert [each.partition(":")[0] for each in pulled[1:]] == [
        *("swarmhub/acme", "swarmhub/front-door", "swarmhub/hub"),
    ]


def test_workers_stay_on_the_overlay_whoever_comes_and_goes() -> None:
    graph = workshop()
    anchor = graph.named("hub-anchor").inputs
    # The provider refuses a global service that is waited for.
    assert anchor["mode"] == {"global": True}
    assert "convergeConfig" not in anchor
    assert anchor["taskSpec"]["placement"]["constraints"] == ["node.role==worker"]
    assert anchor["taskSpec"]["containerSpec"]["commands"] == ["sleep", "infinity"]
    assert graph.awaits(graph.named("hub-anchor"), graph.named("images-worker-1"))
    assert graph.awaits(graph.named("probe-run"), graph.named("hub-anchor"))


def test_the_proxy_is_started_as_its_image_says_but_for_the_pages_of_errors() -> None:
    command = (PROJECT_DIRECTORY / "images/proxy/Dockerfile").read_text().rpartition("CMD ")[2]
    of_image = json.loads(command)
    arguments = workshop().named("hub-proxy").inputs["taskSpec"]["containerSpec"]["args"]
    differing = [(one, other) for one, other in zip(of_image, arguments, strict=True) if one != other]
    assert differing == [
        ("--error-target=http://hub:8081/hub/error", "--error-target=http://front-door:8002/hub/error")
    ]


def test_nginx_finds_the_overlay_on_its_machine_and_waits_for_nothing_else_of_the_hub() -> None:
    graph = workshop()
    door = graph.named("front-door-nginx")
    waited_for = {each.name for each in graph if each.name.startswith("hub-") and graph.awaits(door, each)}
    assert waited_for == {"hub-proxy", "hub-proxy-token"}


def test_machines_pull_at_the_same_time() -> None:
    graph = workshop(machines__worker__count=2)
    names = ("images-manager", "images-worker-1", "images-worker-2")
    for one in names:
        assert not any(graph.awaits(graph.named(one), graph.named(other)) for other in names)


def test_a_changed_image_is_pulled_and_then_named_to_the_hub() -> None:
    before, after = workshop(), workshop(hub__images__user="example.org/python:2")
    assert changed_inputs(before, after) == {"images-worker-1", "hub-anchor", "hub-config", "probe-run"}


def test_joins_do_not_wait_for_each_other(graph: Graph) -> None:
    assert not graph.awaits(graph.named("swarm-worker-2"), graph.named("swarm-worker-1"))
    assert not graph.awaits(graph.named("hub-hub"), graph.named("swarm-worker-1"))


STORAGE_KINDS: dict[str, dict[str, Any]] = {
    "volume": {},
    "machine": {"machines__storage": "s1.large"},
    "nfs": {"storage": {"kind": "nfs", "server": "10.0.0.5", "export": "/srv/homes"}},
    "none": {"storage": {"kind": "none"}},
}


@pytest.fixture(params=STORAGE_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_volumes_are_detached_before_they_are_deleted(kind: str) -> None:
    graph = workshop(**STORAGE_KINDS[kind])
    attachments = {
        each.inputs["volumeId"]: each.inputs["instanceId"] for each in graph.by_type("VolumeAttach")
    }
    assert len(attachments) == len(graph.by_type("blockstorage/volume:Volume"))
    for volume, server in attachments.items():
        assert graph.awaits(graph.named(server.removesuffix("-id")), graph.named(volume.removesuffix("-id")))


def test_the_sweep_knows_every_name_in_the_project(kind: str) -> None:
    known = set().union(*(each.names("dev") for each in SWEPT))
    there = [each for each in workshop(**STORAGE_KINDS[kind]) if each.type.startswith("openstack:")]
    named = {each.name: each.inputs.get("name") or each.inputs.get("description") for each in there}
    assert {name for name, physical in named.items() if physical and physical not in known} == set()
    assert len(set(named.values()) & known) > 8


def test_the_hubs_state_is_on_the_manager_whatever_holds_homes(kind: str) -> None:
    graph = workshop(**STORAGE_KINDS[kind])
    assert graph.named("state-attachment").inputs["instanceId"] == "manager-server-id"
    state = graph.named("state-file-system")
    for user in ("hub-hub", "front-door-configuration"):
        assert graph.awaits(graph.named(user), state)


def test_homes_are_where_the_settings_say(kind: str) -> None:
    graph = workshop(**STORAGE_KINDS[kind])
    names = set(by_name(graph))
    holder = {"volume": "manager-server-id", "machine": "storage-server-id"}.get(kind)
    assert ("data-attachment" in names) == (holder is not None)
    if holder:
        assert graph.named("data-attachment").inputs["instanceId"] == holder
    assert ("homes-mount" in names) == (kind in ("machine", "nfs"))
    assert ("homes-exports" in names) == (holder is not None)
    mounts = graph.named("hub-hub").inputs["taskSpec"]["containerSpec"]["mounts"]
    assert ("/srv/homes" in {each["target"] for each in mounts}) == (kind != "none")
    assert ("--expect-home nfs4" in graph.named("probe-run").inputs["create"]) == (kind != "none")
    last = "homes-mount" if "homes-mount" in names else "homes-exports" if holder else "state-file-system"
    assert graph.awaits(graph.named("hub-hub"), graph.named(last))


REMOVALS = {
    "data-file-system": ("remove-volume.sh", ["/var/nfs"]),
    "homes-exports": ("remove-storage.sh", []),
    "homes-mount": ("remove-homes-mount.sh", ["/var/nfs/homes"]),
}


def test_a_machine_that_stays_lets_go_of_the_homes_it_had(kind: str) -> None:
    graph = workshop(**STORAGE_KINDS[kind])
    there = REMOVALS.keys() & set(by_name(graph))
    assert bool(there) == (kind != "none")
    for name in there:
        command = graph.named(name)
        removal = json.loads(command.inputs["stdin"])["removal"]
        assert (removal["name"], removal["arguments"]) == REMOVALS[name]
        assert "step['removal']" in shlex.split(command.inputs["delete"])[-1]
        assert command.deleted_with


def test_a_storage_machine_is_no_member_of_the_swarm() -> None:
    graph = workshop(**STORAGE_KINDS["machine"])
    groups = {each.name: each.inputs["securityGroupIds"] for each in graph.by_type("Port")}
    assert groups["storage-port"] == ["network-homes-id"]
    assert groups["manager-port"] == ["network-members-id", "network-entrance-id"]
    assert not any("storage" in each.name for each in graph if each.name.startswith("swarm-"))
    connection = graph.named("storage-ready").inputs["connection"]
    assert connection["proxy"]["host"] == graph.named("manager-ready").inputs["connection"]["host"]


def test_without_homes_of_ours_nothing_is_open_for_nfs() -> None:
    for kind in ("nfs", "none"):
        ports = {
            each.inputs.get("portRangeMin")
            for each in workshop(**STORAGE_KINDS[kind]).by_type("SecGroupRule")
        }
        assert 2049 not in ports


def test_quotas_are_kept_by_the_machine_that_has_the_volume_and_by_no_other(kind: str) -> None:
    graph = workshop(**STORAGE_KINDS[kind])
    holder = {"volume": "manager", "machine": "storage"}.get(kind)
    probe = graph.named("probe-run")
    if holder is None:
        assert "homes-quotas" not in by_name(graph)
        assert "--expect-quota-gb 0 " in probe.inputs["create"]
        return
    quotas = graph.named("homes-quotas")
    host = graph.named(f"{holder}-ready").inputs["connection"]["host"]
    assert quotas.inputs["connection"]["host"] == host
    assert graph.awaits(quotas, graph.named("homes-exports"))
    assert graph.awaits(probe, quotas)
    assert "--expect-quota-gb 0.1 " in probe.inputs["create"]


def test_a_certificate_that_no_system_trusts_is_the_one_that_the_manager_has() -> None:
    staging = workshop(
        tls__issuer="letsencrypt-staging", tls__directory_url=None, tls__directory_ca_file=None
    )
    wanted = "fullchain.pem"
    assert wanted in staging.named("probe-run").inputs["create"]
    assert wanted not in workshop().named("probe-run").inputs["create"]


def test_another_volume_type_or_zone_never_replaces_a_volume_that_holds_data() -> None:
    graph = workshop(site__volume_type="ssd", site__volume_availability_zone="nova")
    for what in ("data", "state"):
        volume = volume_of(graph, what)
        assert (volume.inputs["volumeType"], volume.inputs["availabilityZone"]) == ("ssd", "nova")
        assert {"volumeType", "availabilityZone"} <= set(volume.ignore_changes)


def volume_of(graph: Graph, what: str = "data") -> Resource:
    return graph.named(f"{what}-volume", "blockstorage/volume:Volume")


def test_volumes_are_kept_and_protected_as_told() -> None:
    for kept in (True, False):
        graph = workshop(storage__keep_after_destroy=kept, storage__protect=not kept)
        for what in ("data", "state"):
            assert volume_of(graph, what).retain_on_delete is kept
            assert volume_of(graph, what).protect is not kept
        assert graph.named("manager-server").inputs["stopBeforeDestroy"] is kept


def test_destroy_says_which_volumes_it_leaves() -> None:
    told = [workshop(storage__keep_after_destroy=kept).named("kept-volumes") for kept in (True, False)]
    assert [each.inputs.get("delete") for each in told] == [
        "echo 'kept in the cloud: swarmhub-dev-data (data-volume-id), swarmhub-dev-state (state-volume-id)'",
        None,
    ]


def test_what_a_protected_stack_deletes_first_is_protected(kind: str) -> None:
    graph = workshop(**copy.deepcopy(STORAGE_KINDS[kind]), storage__protect=True)
    guard = graph.named("kept-volumes")
    assert guard.protect
    made = [each for each in graph if each.custom and not each.type.startswith("pulumi:providers:")]
    # A component without resources has nothing else that would keep it in the state.
    parts = {each.urn: each for each in graph if not each.custom}
    empty = [part for urn, part in parts.items() if not any(each.parent == urn for each in graph)]
    if kind == "none":
        empty = [part for part in empty if part.name != "homes"]
    assert [e.name for e in (*made, *empty) if e is not guard and not graph.awaits(guard, e)] == []
    assert not workshop(**STORAGE_KINDS[kind]).named("kept-volumes").protect


def existing(size_gb: int = 2, *, attached: bool) -> dict[str, ExistingVolume]:
    return {"swarmhub-dev-data": ExistingVolume(id="kept-id", size_gb=size_gb, attached=attached)}


def test_a_volume_that_is_there_is_imported_and_another_is_made() -> None:
    graph = workshop(volumes=existing(attached=False))
    assert volume_of(graph).import_id == "kept-id"
    assert volume_of(graph, "state").import_id == ""


def test_an_imported_volume_differs_in_nothing_from_one_that_was_made() -> None:
    made, imported = volume_of(workshop()), volume_of(workshop(volumes=existing(attached=True)))
    assert made.inputs == imported.inputs
    assert {"metadata", "enableOnlineResize"} <= set(imported.ignore_changes)


def test_only_a_run_that_grows_the_volume_says_how() -> None:
    graph = workshop(volumes=existing(attached=True), storage__size_gb=5)
    assert volume_of(graph).inputs["size"] == 5
    assert "enableOnlineResize" not in volume_of(graph).ignore_changes


def test_a_grown_volume_has_its_file_system_grown() -> None:
    before, after = workshop(), workshop(storage__size_gb=5)
    assert changed_inputs(before, after) == {"data-volume", "data-file-system"}


def test_a_reinstall_number_replaces_one_kind_of_machine() -> None:
    graph = workshop(machines__reinstall={"manager": 2}, **STORAGE_KINDS["machine"])
    triggers = {each.name: each.replacement_trigger for each in graph.by_type("Instance")}
    assert triggers == {"manager-server": 2, "worker-1-server": 0, "storage-server": 0}
    assert all(each.delete_before_replace for each in graph.by_type("Instance"))


def test_what_is_in_a_replaced_machine_is_replaced_without_asking_its_successor() -> None:
    before, after = workshop(), workshop(machines__reinstall={"manager": 1})
    inside = [each for each in before if each.deleted_with.endswith("manager-life-0")]
    assert {"hub-hub", "swarm-overlay", "data-attachment", "manager-ready"} <= {each.name for each in inside}
    for each in inside:
        again = after.named(each.name, each.type)
        assert again.deleted_with.endswith("manager-life-1")
        assert (each.replacement_trigger, again.replacement_trigger) == (0, 1)
    end = before.named("manager-life-0")
    assert end.inputs["triggers"] == ["manager-server-id"]
    assert end.property_dependencies["triggers"] == {before.named("manager-server").urn}
    assert not end.deleted_with


def test_volumes_are_released_before_their_machine_is_replaced() -> None:
    graph = workshop(**STORAGE_KINDS["machine"])
    for machine in ("manager", "storage"):
        release = graph.named(f"{machine}-release")
        assert graph.awaits(graph.named(f"{machine}-server"), release)
        assert not release.deleted_with
        assert not graph.awaits(release, graph.named(f"{machine}-server"))
        assert "delete" not in release.inputs
    assert "worker-1-release" not in by_name(graph)


@pytest.mark.parametrize(("before", "now", "released"), [("0", "0", False), ("0", "1", True)])
def test_only_another_number_releases_a_machine(
    before: str, now: str, released: bool, tmp_path: Path
) -> None:
    update = workshop().named("manager-release").inputs["update"]
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 255\n")
    ssh.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PULUMI_COMMAND_STDOUT": before, "REINSTALL": now}
    ran = subprocess.run(["sh", "-c", update], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == now
    assert (tmp_path / "called").exists() is released
    assert ("could not be released" in ran.stderr) is released


def test_the_overlay_fits_the_network_and_holds_300_servers(graph: Graph) -> None:
    overlay = graph.named("swarm-overlay").inputs
    assert overlay["options"] == {"com.docker.network.driver.mtu": "1400"}
    assert overlay["attachable"] is True
    assert overlay["ipamConfigs"] == [{"subnet": "10.80.0.0/20"}]
    assert "options" in graph.named("swarm-overlay").ignore_changes


def test_hub_and_proxy_stay_on_the_manager_and_no_service_publishes_anything(graph: Graph) -> None:
    for name in ("hub-hub", "hub-proxy"):
        placement = graph.named(name).inputs["taskSpec"]["placement"]
        assert placement == {"constraints": ["node.role==manager"]}
    services = graph.by_type("docker:index/service:Service")
    assert [each.inputs["endpointSpec"] for each in services] == 3 * [{"mode": "dnsrr"}]


def test_an_existing_network_is_used_and_none_is_made() -> None:
    graph = workshop(network=EXISTING_NETWORK, site__network="campus")
    assert graph.by_type("networking/network:Network") == ()
    assert graph.by_type("openstack:networking/network:Network") == ()
    assert graph.by_type("Router") == ()
    assert {each.inputs["networkId"] for each in graph.by_type("Port")} == {"campus-net"}


def test_a_preview_with_everything_unknown_has_the_same_resources() -> None:
    unknown = workshop(preview=True)
    assert set(by_name(unknown)) == set(by_name(workshop()))
    assert unknown.named("manager-server").inputs["userData"] is UNKNOWN


def test_a_second_run_registers_the_same() -> None:
    first, second = by_name(record_workshop()), by_name(record_workshop())
    assert {name: each.aspects for name, each in first.items()} == {
        name: each.aspects for name, each in second.items()
    }


def test_a_changed_limit_changes_the_hub_alone() -> None:
    # The service takes the configuration by its id, which the recording keeps: a real one is new.
    assert changed_inputs(workshop(), workshop(limits__memory_gb=2)) == {"hub-config", "probe-run"}


def test_a_changed_quota_restarts_nothing() -> None:
    changed = changed_inputs(workshop(), workshop(storage__home_quota_gb=0.2))
    assert changed == {"homes-quotas", "probe-run"}
    overridden = changed_inputs(workshop(), workshop(storage__quota_overrides={"users": {"ada": 20}}))
    assert overridden == {"homes-quotas"}


def test_a_third_worker_leaves_the_others_alone() -> None:
    before, after = workshop(machines__worker__count=2), workshop(machines__worker__count=3)
    added = set(by_name(after)) - set(by_name(before))
    assert added
    assert all("worker-3" in name for name in added)
    assert changed_inputs(before, after) == {"probe-run"}


DIRECT: dict[str, Any] = {
    "network": EXISTING_NETWORK,
    "site__network": "campus",
    "site__public_address": "direct",
}


def test_machines_on_a_public_network_have_no_floating_ip() -> None:
    graph = workshop(**DIRECT)
    assert graph.by_type("FloatingIp") == graph.by_type("FloatingIpAssociate") == ()
    manager = graph.named("manager-port")
    assert "network-entrance-id" in manager.inputs["securityGroupIds"]
    ready = graph.named("manager-ready").inputs["connection"]
    assert ready["host"] == graph.named("worker-1-ready").inputs["connection"]["proxy"]["host"]
    assert ready["host"].startswith("10.20.0.")


def test_a_given_floating_ip_is_associated_and_not_made() -> None:
    graph = workshop(site__public_address="192.0.2.53")
    assert graph.by_type("FloatingIp") == ()
    assert graph.named("manager-address").inputs["floatingIp"] == "192.0.2.53"
    assert graph.named("manager-ready").inputs["connection"]["host"] == "192.0.2.53"


def test_a_given_router_is_connected_and_none_is_made() -> None:
    graph = workshop(known={"router_id": "router-of-the-project"}, site__router="auto_allocated_router")
    assert graph.by_type("Router") == ()
    assert graph.named("network-router-interface").inputs["routerId"] == "router-of-the-project"
    assert graph.awaits(graph.named("manager-server"), graph.named("network-router-interface"))


def test_machines_boot_from_volumes_that_end_with_them() -> None:
    graph = workshop(site__boot_volume={"size_gb": 30}, site__volume_type="fast")
    for server in graph.by_type("openstack:compute/instance:Instance"):
        assert server.inputs.get("imageId") is None
        assert server.inputs["blockDevices"] == [
            {
                "sourceType": "image",
                "uuid": "image-id",
                "destinationType": "volume",
                "bootIndex": 0,
                "volumeSize": 30,
                "volumeType": "fast",
                "deleteOnTermination": True,
            }
        ]
        assert "blockDevices" in server.ignore_changes


def test_zones_types_hints_and_groups_reach_the_resources() -> None:
    graph = workshop(
        known={"security_group_ids": ("monitoring-id",)},
        site__availability_zone="melbourne-qh2",
        site__volume_availability_zone="melbourne-qh2-v",
        site__volume_type="fast",
        site__scheduler_hints={"reservation": "lease-1"},
        site__extra_security_groups=["monitoring"],
        site__mtu_bytes=1400,
    )
    for server in graph.by_type("openstack:compute/instance:Instance"):
        assert server.inputs["availabilityZone"] == "melbourne-qh2"
        assert server.inputs["schedulerHints"] == [{"additionalProperties": {"reservation": "lease-1"}}]
    for port in graph.by_type("Port"):
        assert "monitoring-id" in port.inputs["securityGroupIds"]
    volume = graph.named("data-volume")
    assert (volume.inputs["volumeType"], volume.inputs["availabilityZone"]) == ("fast", "melbourne-qh2-v")
    assert {"volumeType", "availabilityZone"} <= set(volume.ignore_changes)
    assert graph.named("network-network").inputs["mtu"] == 1400


def test_everything_of_openstack_is_made_by_the_entry_of_clouds_yaml(graph: Graph) -> None:
    provider = graph.named("cloud")
    assert provider.inputs["cloud"] == "rehearsal"
    made = [each for each in graph if each.type.startswith("openstack:")]
    assert len(made) > 15
    assert [each.name for each in made if each.provider.rpartition("::")[0] != provider.urn] == []


def test_preflight_counts_what_the_graph_makes() -> None:
    for changes in (
        {"machines__worker__count": 3},
        {"network": EXISTING_NETWORK, "site__network": "campus"},
        DIRECT,
        {"site__public_address": "192.0.2.53", "site__boot_volume": {"size_gb": 30}},
        {"site__boot_volume": {"size_gb": 30}, **STORAGE_KINDS["machine"]},
        STORAGE_KINDS["nfs"],
        STORAGE_KINDS["none"],
    ):
        needs = still_to_make(dev_plan(**changes), {"s1.large": FLAVOR}, ProjectContents())
        graph = workshop(**changes)
        groups = len(graph.by_type("SecGroup"))
        own_network = len(graph.by_type("openstack:networking/network:Network"))
        assert needs["instances"] == len(graph.by_type("openstack:compute/instance:Instance"))
        assert needs["cores"] == needs["instances"] * FLAVOR.vcpus
        assert needs["floating_ips"] == len(graph.by_type("FloatingIp"))
        assert needs["security_groups"] == groups
        assert needs["security_group_rules"] == len(graph.by_type("SecGroupRule")) + 2 * groups
        assert needs["networks"] == own_network
        assert needs["routers"] == len(graph.by_type("Router"))
        assert needs["ports"] == len(graph.by_type("Port")) + 2 * own_network
        disks = sum(
            bool(each.inputs.get("blockDevices"))
            for each in graph.by_type("openstack:compute/instance:Instance")
        )
        assert needs["volumes"] == len(graph.by_type("openstack:blockstorage/volume:Volume")) + disks


def test_a_worker_that_leaves_is_drained_by_the_manager_before_it_is_deleted() -> None:
    graph = workshop(machines__worker__count=2)
    member, server = graph.named("swarm-worker-2-member"), graph.named("worker-2-server")
    assert member.deleted_with == graph.named("manager-life-0").urn
    assert graph.awaits(member, server)
    assert graph.awaits(member, graph.named("swarm-worker-2"))
    assert member.inputs["connection"]["host"] == graph.named("manager-ready").inputs["connection"]["host"]
    removal = json.loads(member.inputs["stdin"])["removal"]
    assert removal["name"] == "remove-swarm-member.sh"
    assert removal["arguments"] == ["worker-2"]
    assert "step['removal']" in shlex.split(member.inputs["delete"])[-1]
    # Another server under the same name is another node of the swarm.
    assert member.inputs["triggers"] == ["worker-2-server-id"]
    assert member.delete_before_replace


def test_a_worker_takes_servers_when_it_has_the_images() -> None:
    graph = workshop(machines__worker__count=2)
    member = graph.named("swarm-worker-2-member")
    assert graph.awaits(member, graph.named("images-worker-2"))
    # It waits for no other's.
    assert not graph.awaits(member, graph.named("images-worker-1"))
    assert json.loads(member.inputs["stdin"])["arguments"] == ["worker-2", "id-of-swarm-worker-2"]
    assert graph.awaits(graph.named("probe-run"), member)


def test_what_runs_anything_when_it_is_removed_is_what_a_staying_machine_had(graph: Graph) -> None:
    commands = [each for each in graph if each.type in ("command:remote:Command", "command:local:Command")]
    removing = {each.name: each for each in commands if each.inputs.get("delete")}
    members = {"swarm-worker-1-member", "swarm-worker-2-member"}
    assert removing.keys() == members | {"state-file-system", "data-file-system", "homes-exports"}
    # Nothing of it runs when the machine goes as well.
    assert {each.deleted_with for each in removing.values()} == {graph.named("manager-life-0").urn}


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_another_count_touches_the_workers_that_come_or_go(before: int, after: int) -> None:
    old, new = (workshop(machines__worker__count=count) for count in (before, after))
    came_or_went = set(by_name(old)) ^ set(by_name(new))
    numbers = range(min(before, after) + 1, max(before, after) + 1)
    assert came_or_went
    assert all(any(f"worker-{number}" in name for number in numbers) for name in came_or_went)
    staying = replace(old, resources=tuple(each for each in old if each.name in by_name(new)))
    assert changed_inputs(staying, new) == {"probe-run"}


def test_another_flavor_resizes_those_machines_alone() -> None:
    known = {"flavors": {"s1.large": FLAVOR, "s1.xlarge": replace(FLAVOR, id="xlarge-id", name="s1.xlarge")}}
    before = workshop(known=known, machines__worker__count=2)
    workers = workshop(known=known, machines__worker={"flavor": "s1.xlarge", "count": 2})
    resized = [f"worker-{number}-{what}" for number in (1, 2) for what in ("server", "ready")]
    members = {"swarm-worker-1-member", "swarm-worker-2-member"}
    assert changed_inputs(before, workers) == {*resized, *members, "probe-run"}
    # They are waited for, and not replaced, which would drain them.
    for name in members:
        assert workers.named(name).inputs["triggers"] == before.named(name).inputs["triggers"]
        assert workers.awaits(workers.named("probe-run"), workers.named(name))
    manager = workshop(known=known, machines__worker__count=2, machines__manager="s1.xlarge")
    assert changed_inputs(before, manager) == {"manager-server", "manager-ready", "probe-run"}


PLAIN: dict[str, Any] = {"tls": {"issuer": "none"}}
OWN_KEY = "-----BEGIN PRIVATE KEY-----\nthe operator's own\n"


def own_files(directory: Path, chain: str = "the chain\n") -> dict[str, Any]:
    """Settings of a certificate from files, which nothing here reads for sense."""
    files = {"certificate_file": directory / "hub.pem", "key_file": directory / "hub.key"}
    files["certificate_file"].write_text(chain)
    files["key_file"].write_text(OWN_KEY)
    return {"tls": {"issuer": "files", **{name: str(path) for name, path in files.items()}}}


def test_without_a_certificate_443_is_closed_and_nobody_is_told_https() -> None:
    graph = workshop(**PLAIN, **LOGINS["github"])
    rules = [each.inputs for each in graph.by_type("SecGroupRule")]
    open_to_all = {each["portRangeMin"] for each in rules if each.get("remoteIpPrefix") == "0.0.0.0/0"}
    assert open_to_all == {80}
    assert [each["external"] for each in graph.named("front-door-nginx").inputs["ports"]] == [80]
    assert "front-door-certificate" not in by_name(graph)
    probe = graph.named("probe-run")
    assert "--url http://hub-172-24-4-50.rehearsal.test " in probe.inputs["create"]
    assert " --plain-http" in probe.inputs["create"]
    for earlier in ("front-door-nginx", "front-door-name"):
        assert graph.awaits(probe, graph.named(earlier))
    config = base64.b64decode(graph.named("hub-config").inputs["data"]).decode()
    assert "public_url: http://hub-172-24-4-50.rehearsal.test\n" in config
    assert graph.exports["callback_url"].startswith("http://hub-172-24-4-50.")


def test_where_no_certificate_is_ordered_there_is_no_image_that_orders_one(tmp_path: Path) -> None:
    for certificate in (PLAIN, own_files(tmp_path)):
        assert "own-images-acme" not in by_name(workshop(**certificate, **NOTHING_NAMED))
        pulled = json.loads(workshop(**certificate).named("images-manager").inputs["stdin"])["arguments"]
        assert [each.partition(":")[0] for each in pulled[1:]] == [
            *("swarmhub/front-door", "swarmhub/hub", "swarmhub/proxy"),
        ]


def test_a_hub_without_a_name_waits_for_none_and_orders_for_its_address() -> None:
    graph = workshop(hub__domain="address")
    assert "front-door-name" not in by_name(graph)
    order = json.loads(graph.named("front-door-certificate").inputs["stdin"])
    assert order["arguments"][0] == "172.24.4.50"
    assert graph.awaits(graph.named("front-door-certificate"), graph.named("front-door-nginx"))
    assert "--url https://172.24.4.50 " in graph.named("probe-run").inputs["create"]
    assert workshop(preview=True, hub__domain="address").named("probe-run").inputs["create"] is UNKNOWN


ZONE: dict[str, Any] = {
    "hub__domain": "spring.demo.example.org",
    "hub__dns_zone": "demo.example.org.",
    "known": {"dns_zone_id": "zone-id"},
}


def test_the_record_is_made_in_the_zone_of_the_clouds_dns_before_the_name_is_waited_for() -> None:
    graph = workshop(**ZONE)
    record = graph.named("records-name")
    assert record.type == "openstack:dns/recordSet:RecordSet"
    assert {name: record.inputs[name] for name in ("zoneId", "name", "type", "records")} == {
        "zoneId": "zone-id",
        "name": "spring.demo.example.org.",
        "type": "A",
        "records": ["172.24.4.50"],
    }
    assert record.provider.rpartition("::")[0] == graph.named("cloud").urn
    assert graph.awaits(graph.named("front-door-name"), record)
    assert graph.awaits(graph.named("front-door-certificate"), record)


def test_the_sweep_knows_the_record() -> None:
    known = set().union(*(each.names("dev") for each in SWEPT))
    assert workshop(**ZONE).named("records-name").inputs["description"] in known


def test_with_subdomains_all_names_below_the_hubs_lead_to_it() -> None:
    graph = workshop(**ZONE, **PLAIN, hub__subdomains=True)
    records = {each.name: each.inputs["name"] for each in graph.by_type("RecordSet")}
    assert records == {
        "records-name": "spring.demo.example.org.",
        "records-servers": "*.spring.demo.example.org.",
    }
    assert " --with-subdomains" in graph.named("front-door-name").inputs["create"]
    assert " --subdomains" in graph.named("probe-run").inputs["create"]
    proxy = graph.named("hub-proxy").inputs["taskSpec"]["containerSpec"]
    assert proxy["env"] == {"PROXY_BY_HOST": "true"}
    config = base64.b64decode(graph.named("hub-config").inputs["data"]).decode()
    assert "subdomains: true\n" in config


def test_no_record_is_made_unless_a_zone_is_given() -> None:
    assert workshop().by_type("RecordSet") == ()


def test_a_certificate_from_files_goes_as_a_secret_into_a_file_of_roots(tmp_path: Path) -> None:
    graph = workshop(**own_files(tmp_path))
    assert "front-door-certificate" not in by_name(graph)
    step = graph.named("front-door-configuration")
    assert "stdin" in step.secret_paths
    document = json.loads(step.inputs["stdin"])
    files = {each["path"]: each for each in document["files"]}
    key = files["/var/lib/swarmhub/state/front-door/certificate/privkey.pem"]
    assert (key["content"], key["mode"]) == (OWN_KEY, "0600")
    assert document["arguments"][-1] == "no-orders"
    for each in graph:
        for path, value in flatten(each.inputs):
            assert "the operator's own" not in str(value) or (each.name, path) == (step.name, "stdin")


def test_another_certificate_in_the_files_is_put_in_place_and_probed(tmp_path: Path) -> None:
    before = workshop(**own_files(tmp_path))
    after = record_workshop(**own_files(tmp_path, chain="another chain\n"))
    assert changed_inputs(before, after) == {"front-door-configuration", "probe-run"}


def test_project_directory_is_the_checkout() -> None:
    assert (PROJECT_DIRECTORY / "Pulumi.yaml").is_file()
