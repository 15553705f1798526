"""Looking names up on the cloud: all findings at once, each with the nearest name."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from live.cloud import Connect, connect_to, list_flavors, survey_cloud
from swarmhub.errors import UserError
from swarmhub.facts import CloudFacts, CloudRequest, Survey, Usage
from tests.support.fake_cloud import FakeCloud, flavor, image, thing

REQUEST = CloudRequest(
    cloud="campus",
    image=("site.image", "debian-12"),
    flavors={"machines.manager": "s1.large", "machines.worker.flavor": "s1.small"},
    external_network=("site.external_network", "public"),
)


def look_up(request: CloudRequest, connect: Connect = connect_to) -> CloudFacts:
    survey = survey_cloud(request, connect=connect)
    if survey.findings:
        raise UserError(survey.findings)
    return survey.facts


def findings(request: CloudRequest, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        look_up(request, lambda _name, _region: FakeCloud(**changes))
    return str(caught.value)


def told(request: CloudRequest, **changes: Any) -> str:
    """The findings, which there may be none of."""
    found = survey_cloud(request, "", lambda _name, _region: FakeCloud(**changes)).findings
    return "\n".join(str(each) for each in found)


def test_names_become_ids_and_the_newest_active_image_is_taken() -> None:
    facts = look_up(REQUEST, lambda _name, _region: FakeCloud())
    assert facts.image_id == "debian-12-2026-03-01"
    assert facts.flavors["s1.large"].memory_mb == 2048
    assert facts.external_network_id == "public-id"
    assert facts.network is None
    assert facts.project_name == "demo"


def test_an_image_may_be_given_by_id() -> None:
    request = replace(REQUEST, image=("site.image", "debian-12-2026-01-01"))
    assert look_up(request, lambda _name, _region: FakeCloud()).image_id == "debian-12-2026-01-01"


ZONE = replace(REQUEST, dns_zone=("hub.dns_zone", "demo.example.org"))


def test_a_dns_zone_becomes_its_id() -> None:
    cloud = FakeCloud(dns_zones=[thing("demo.example.org.", id="zone-id")])
    assert look_up(ZONE, lambda _name, _region: cloud).dns_zone_id == "zone-id"


def test_a_dns_zone_that_is_not_there_is_named_with_those_that_are() -> None:
    assert findings(ZONE, dns_zones=[thing("demo2.example.org.")]) == (
        "hub.dns_zone: the cloud has no DNS zone 'demo.example.org'. Did you mean demo2.example.org?"
    )


def test_a_cloud_without_a_dns_service_is_said_to_have_none() -> None:
    assert findings(ZONE) == (
        "hub.dns_zone: the cloud has no DNS service. "
        "Remove it, and set the record of hub.domain at the domain's own DNS provider."
    )


def test_an_existing_network_brings_subnet_and_mtu() -> None:
    request = replace(REQUEST, network=("site.network", "campus-net"))
    network = look_up(request, lambda _name, _region: FakeCloud()).network
    assert network is not None
    assert (network.id, network.subnet_cidr, network.mtu) == ("campus-id", "10.1.0.0/24", 1450)


def test_everything_missing_is_said_at_once() -> None:
    request = replace(
        REQUEST,
        image=("site.image", "debian-13"),
        flavors={"machines.manager": "s1.lrge"},
        external_network=("site.external_network", "ext"),
        network=("site.network", "campus"),
    )
    assert findings(request) == (
        "site.image: the cloud has no active image 'debian-13'. Did you mean debian-12?\n"
        "machines.manager: the cloud has no flavor 's1.lrge'. Did you mean s1.large?\n"
        "site.external_network: the cloud has no external network 'ext'. There are public.\n"
        "site.network: the cloud has no network 'campus'. Did you mean campus-net?"
    )


def test_an_image_that_does_not_fit_is_refused_by_flavor() -> None:
    assert findings(REQUEST, images=[image("debian-12", min_disk=10, min_ram=1024)]) == (
        "machines.worker.flavor: the memory of s1.small is 512 MB, and debian-12 needs 1024 MB. "
        "Choose a larger flavor.\n"
        "machines.worker.flavor: the disk of s1.small is 4 GB, and debian-12 needs 10 GB. "
        "Choose a larger flavor."
    )


def test_a_network_without_subnet_is_refused() -> None:
    request = replace(REQUEST, network=("site.network", "campus-net"))
    assert findings(request, subnets=[]) == (
        "site.network: the network 'campus-net' has no IPv4 subnet. Make one, or name another network."
    )


def test_the_newest_image_whose_whole_name_matches_is_taken() -> None:
    request = replace(REQUEST, image=("site.image_pattern", "debian-.*"), image_is_pattern=True)
    assert look_up(request, lambda _name, _region: FakeCloud()).image_id == "debian-12-2026-03-01"
    request = replace(REQUEST, image=("site.image_pattern", "debian"), image_is_pattern=True)
    assert findings(request) == (
        "site.image_pattern: no active image's whole name matches 'debian'. Did you mean debian-12?"
    )


def test_a_flavor_without_disk_needs_a_volume() -> None:
    flavors = [flavor("s1.large", 2048, 0), flavor("s1.small", 512, 0)]
    assert findings(REQUEST, flavors=flavors).splitlines()[0] == (
        "machines.manager: s1.large has no disk of its own. Such machines boot from a volume. "
        "Set site.boot_volume, for example to {size_gb: 30}, or choose another flavor."
    )
    request = replace(REQUEST, boot_volume=("site.boot_volume.size_gb", 4))
    assert look_up(request, lambda _name, _region: FakeCloud(flavors=flavors)).image_id
    assert findings(replace(request, boot_volume=("site.boot_volume.size_gb", 3)), flavors=flavors) == (
        "site.boot_volume.size_gb: it is 3 GB, and debian-12 needs 4 GB. Make it larger."
    )


def test_all_other_names_are_looked_up_too() -> None:
    request = replace(
        REQUEST,
        router=("site.router", "auto"),
        address=("site.public_address", "192.0.2.53"),
        security_groups=(("site.extra_security_groups[0]", "monitoring"),),
        volume_types={"site.volume_type": "fsat"},
        zone=("site.availability_zone", "nvoa"),
        volume_zone=("site.volume_availability_zone", "nova"),
    )
    assert findings(request) == (
        "site.extra_security_groups[0]: the cloud has no security group 'monitoring'. "
        "The project has none: ask the cloud's operators.\n"
        "site.volume_type: the cloud has no volume type 'fsat'. Did you mean fast?\n"
        "site.router: the cloud has no router 'auto'. The project has none: ask the cloud's operators.\n"
        "site.public_address: the project has no floating IP 192.0.2.53. "
        "It has none: set site.public_address to new.\n"
        "site.availability_zone: the cloud has no availability zone 'nvoa'. Did you mean nova?"
    )
    there = {
        "routers": [thing("auto", external_gateway_info={"network_id": "public-id"})],
        "ips": [thing("", floating_ip_address="192.0.2.53", description="", port_id=None)],
        "groups": [thing("monitoring", security_group_rules=[])],
        "volume_types": [thing("fsat")],
        "zones": [thing("nvoa", state={"available": True}), thing("nova", state={"available": True})],
    }
    facts = look_up(request, lambda _name, _region: FakeCloud(**there))
    assert (facts.router_id, facts.security_group_ids) == ("auto-id", ("monitoring-id",))


def test_one_of_several_subnets_is_chosen_by_name() -> None:
    request = replace(REQUEST, network=("site.network", "campus-net"))
    subnets = [
        thing(name, cidr=cidr, network_id="campus-id")
        for name, cidr in (("east", "10.1.0.0/24"), ("west", "10.2.0.0/24"))
    ]
    assert findings(request, subnets=subnets) == (
        "site.network: the network 'campus-net' has 2 IPv4 subnets. Set site.subnet to one of east, west."
    )
    request = replace(request, subnet=("site.subnet", "west"))
    network = look_up(request, lambda _name, _region: FakeCloud(subnets=subnets)).network
    assert network is not None and network.subnet_cidr == "10.2.0.0/24"


def test_a_floating_ip_is_not_taken_away_from_another_machine() -> None:
    request = replace(REQUEST, address=("site.public_address", "192.0.2.53"), manager="swarmhub-dev-manager")
    ip = thing("", floating_ip_address="192.0.2.53", description="", port_id="port-id")

    def port(name: str) -> Any:
        return thing(name, id="port-id", network_id="campus-id", device_owner="compute:nova", fixed_ips=[])

    assert told(request, ips=[ip], ports=[port("wiki")]) == (
        "site.public_address: the floating IP 192.0.2.53 is in use by the port wiki. It would be taken away "
        "from there. Free it: openstack floating ip unset --port 192.0.2.53; or name another."
    )
    # What is not shown to the project is somebody's as well.
    assert "in use by the port port-id" in told(request, ips=[ip])
    assert told(request, ips=[ip], ports=[port("swarmhub-dev-manager")]) == ""


@pytest.mark.parametrize(
    ("gateway", "problem"),
    [
        (None, "has no gateway"),
        ({"network_id": "other-id"}, "leads to other"),
        ({"network_id": "public-id"}, ""),
    ],
)
def test_a_router_leads_to_where_floating_ips_come_from(gateway: dict[str, str] | None, problem: str) -> None:
    request = replace(
        REQUEST, router=("site.router", "auto"), external_network=("site.external_network", "public")
    )
    networks = [thing(name, mtu=1500, external=True) for name in ("public", "other")]
    said = told(request, routers=[thing("auto", external_gateway_info=gateway)], networks=networks)
    rest = (
        ". Floating IPs come in by a router to their network. Name another, or have it lead there: "
        "openstack router set --external-gateway public auto."
    )
    assert said == (f"site.router: the router 'auto' {problem}{rest}" if problem else "")


def closed_in(owner: str, ports: bool, router: dict[str, Any] | None, floats: bool = True) -> str:
    """The findings on a network of that project, with or without a router's port, which may be shown."""
    joined = thing(
        "",
        network_id="campus-id",
        device_owner="network:router_interface",
        device_id="router-id",
        fixed_ips=[{"subnet_id": "subnet-id", "ip_address": "10.1.0.1"}],
    )
    return told(
        replace(REQUEST, network=("site.network", "campus-net"), floats=floats),
        networks=[
            thing("public", mtu=1500, external=True),
            thing("campus-net", id="campus-id", mtu=1450, external=False, project_id=owner),
        ],
        ports=[joined] if ports else [],
        routers=[thing("router", id="router-id", **router)] if router else [],
    )


def test_floating_ips_need_a_router_out_of_the_network() -> None:
    inside, outside = {"external_gateway_info": None}, {"external_gateway_info": {"network_id": "public-id"}}
    closed = (
        "site.network: no router leads from campus-net to an external network. Floating IPs come in by a "
        "router. Join one: openstack router add subnet ROUTER campus-subnet; or set site.public_address to "
        "direct, where the network is public."
    )
    assert closed_in("demo-id", ports=False, router=None) == closed
    assert closed_in("demo-id", ports=True, router=inside) == closed
    assert closed_in("demo-id", ports=True, router=outside) == ""
    assert closed_in("demo-id", ports=False, router=None, floats=False) == ""
    # What the project may not see is believed.
    assert closed_in("other-id", ports=False, router=None) == ""
    assert closed_in("demo-id", ports=True, router=None) == ""


def test_flavors_for_special_hardware_are_not_reckoned_with() -> None:
    special = flavor("g3.small", 15360, 60)
    special.extra_specs = {"pci_passthrough:alias": "gpu:1"}
    cloud = FakeCloud(flavors=[flavor("s1.large", 2048, 16), special])
    assert [each.name for each in list_flavors("demo", None, lambda _name, _region: cloud)] == ["s1.large"]


def survey(**changes: Any) -> Survey:
    return survey_cloud(REQUEST, "swarmhub-dev", lambda _name, _region: FakeCloud(**changes))


def test_quotas_and_what_has_our_names_are_read() -> None:
    own = {"id": "x", "original_name": "s1.large", "vcpus": 2, "ram": 2048, "disk": 16}
    project = survey(
        servers=[thing("swarmhub-dev-manager", flavor=own), thing("other", flavor=own)],
        volumes=[thing("swarmhub-dev-data", size=7), thing(None, id="boot", size=30)],
        groups=[thing("swarmhub-dev-network-members", security_group_rules=[{}, {}])],
        ips=[thing("", floating_ip_address="192.0.2.1", description="swarmhub-dev-network-address")],
    ).project
    assert project.quotas["cores"] == Usage(limit=20, used=2)
    assert project.quotas["security_group_rules"].free == 96
    assert list(project.servers) == ["swarmhub-dev-manager"]
    assert project.volumes_gb == {"swarmhub-dev-data": 7}
    assert project.rules == {"swarmhub-dev-network-members": 2}
    assert project.addresses == {"swarmhub-dev-network-address"}


def test_a_cloud_that_keeps_its_quotas_to_itself_is_read_without_them() -> None:
    assert set(survey(network_quotas={}, compute_limits={}).project.quotas) == {"volumes", "volume_gb"}


def test_when_an_application_credential_ends() -> None:
    found = survey(
        token={
            "methods": ["application_credential"],
            "application_credential": {"id": "1", "name": "spring"},
        },
        application_credential={"expires_at": "2027-03-04T12:00:00.000000"},
    ).credentials
    assert found.kind == "application credential spring"
    assert str(found.expires_at) == "2027-03-04 12:00:00+00:00"


def test_variables_beside_an_entry_of_clouds_yaml_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "https://elsewhere.example.org")
    assert [str(warning) for warning in survey().warnings] == [
        (
            "credentials: OS_AUTH_URL stand in the environment beside site.cloud: campus. "
            "Unset them, or remove site.cloud: the two may mean different projects."
        )
    ]


VOLUMES = replace(
    REQUEST,
    volumes={"hub state": "swarmhub-x-state", "storage.size_gb": "swarmhub-x-data"},
    volume_metadata={"swarmhub_stack": "x"},
)


def volume(name: str, status: str = "available", stack: str | None = "x", size: int = 2) -> Any:
    metadata = {"swarmhub_stack": stack, "readonly": "False"} if stack else {}
    return thing(name, id=f"{name}-{status}-id", status=status, size=size, metadata=metadata)


def test_volumes_of_the_stack_are_found_by_name_and_metadata() -> None:
    there = [
        volume("swarmhub-x-state", "in-use", size=1),
        volume("swarmhub-x-data", stack="another"),
        volume("swarmhub-x-data", stack=None),
        volume("swarmhub-x-data", size=5),
        volume("swarmhub-x-data", "deleting"),
    ]
    found = look_up(VOLUMES, lambda _name, _region: FakeCloud(volumes=there)).volumes
    assert {name: (each.size_gb, each.attached) for name, each in found.items()} == {
        "swarmhub-x-state": (1, True),
        "swarmhub-x-data": (5, False),
    }


def test_a_stack_without_volumes_is_no_finding() -> None:
    assert look_up(VOLUMES, lambda _name, _region: FakeCloud()).volumes == {}


def test_volumes_that_cannot_be_told_apart_or_are_broken_are_refused() -> None:
    there = [
        volume("swarmhub-x-data"),
        volume("swarmhub-x-data", "in-use"),
        volume("swarmhub-x-state", "error"),
    ]
    assert findings(VOLUMES, volumes=there) == (
        "hub state: the volume swarmhub-x-state (swarmhub-x-state-error-id) is in the state error. "
        "See openstack volume show swarmhub-x-state-error-id, and have the cloud's operators mend it.\n"
        "storage.size_gb: the project has 2 volumes swarmhub-x-data: swarmhub-x-data-available-id and "
        "swarmhub-x-data-in-use-id. Which of them holds this stack's data cannot be told. Rename or delete "
        "the one that does not: openstack volume set --name NEW ID."
    )


class Keystone(BaseHTTPRequestHandler):
    """Discovery as Keystone answers it, and no password that is right; ``busy`` calls are turned away."""

    busy: ClassVar[list[str]] = []

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _is_busy(self) -> bool:
        if self.command not in self.busy:
            return False
        self.busy.remove(self.command)
        self._answer(429, {})
        return True

    def do_GET(self) -> None:
        if self._is_busy():
            return
        url = f"http://127.0.0.1:{self.server.server_port}/v3/"  # type: ignore[attr-defined]
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url}]}
        self._answer(200, {"version": version})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_busy():
            return
        message = "The request you have made requires authentication."
        self._answer(401, {"error": {"code": 401, "title": "Unauthorized", "message": message}})

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""


@pytest.fixture
def keystone() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Keystone)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v3"
    server.shutdown()
    thread.join()
    server.server_close()


# openstacksdk announces the end of a feature that is not used here each time it is configured.
pytestmark = pytest.mark.filterwarnings("ignore:.*:Warning:openstack.*")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Sets OS_* variables; no clouds.yaml is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("openstack.config.loader.CONFIG_FILES", [str(tmp_path / "clouds.yaml")])

    def set_variables(url: str) -> None:
        values = {"AUTH_URL": url, "USERNAME": "ada", "PASSWORD": "wrong", "PROJECT_NAME": "demo"}
        domains = {"USER_DOMAIN_NAME": "Default", "PROJECT_DOMAIN_NAME": "Default"}
        for name, value in {**values, **domains}.items():
            monkeypatch.setenv(f"OS_{name}", value)

    return set_variables


def refusal(cloud: str | None) -> str:
    with pytest.raises(UserError) as caught:
        look_up(replace(REQUEST, cloud=cloud))
    return str(caught.value)


def test_a_wrong_password_is_one_sentence(keystone: str, environment: Any) -> None:
    environment(keystone)
    assert refusal(None) == (
        f"credentials: the cloud at {keystone} refused them (The request you have made requires "
        "authentication. (HTTP 401)). Check user, password and project in the OS_* variables."
    )


def test_a_login_that_is_turned_away_comes_again(
    keystone: str, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.cloud.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(Keystone, "busy", ["GET", "GET", "POST"])
    environment(keystone)
    assert refusal(None).startswith(f"credentials: the cloud at {keystone} refused them (The request you")
    assert Keystone.busy == []


def test_a_cloud_that_is_always_busy_is_one_sentence(
    keystone: str, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.cloud.FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(Keystone, "busy", ["GET", "POST"] * 20)
    environment(keystone)
    said = refusal(None)
    assert "429" in said
    assert "\n" not in said


def test_a_cloud_that_does_not_answer_is_one_sentence(environment: Any) -> None:
    environment("http://127.0.0.1:1/v3")
    said = refusal(None)
    assert said.startswith("cloud: http://127.0.0.1:1/v3 does not answer as OpenStack (")
    assert "Connection refused" in said
    assert said.endswith("Check auth_url in clouds.yaml or OS_AUTH_URL, and that this machine reaches it.")
    assert "\n" not in said


def test_without_credentials_the_ways_to_give_them_are_named(environment: Any) -> None:
    assert refusal(None).startswith("site.cloud: no OpenStack credentials were found.")


def test_an_unknown_cloud_names_the_nearest(environment: Any, tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text(
        json.dumps({"clouds": {"rehearsal": {"auth": {"auth_url": "http://x"}}}})
    )
    assert refusal("rehersal") == "site.cloud: clouds.yaml has no entry 'rehersal'. Did you mean rehearsal?"
