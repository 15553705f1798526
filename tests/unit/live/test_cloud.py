"""Looking names up on the cloud: all findings at once, each with the nearest name."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from live.cloud import look_up
from swarmhub.errors import UserError
from swarmhub.facts import CloudRequest

REQUEST = CloudRequest(
    cloud="campus",
    image=("site.image", "debian-12"),
    flavors={"machines.manager": "s1.large", "machines.worker.flavor": "s1.small"},
    external_network=("site.external_network", "public"),
)


def image(name: str, created: str = "2026-01-01", status: str = "active", **more: Any) -> SimpleNamespace:
    fields = {"min_disk": 4, "min_ram": 0, **more}
    return SimpleNamespace(id=f"{name}-{created}", name=name, created_at=created, status=status, **fields)


def flavor(name: str, memory_mb: int, disk_gb: int) -> SimpleNamespace:
    return SimpleNamespace(id=f"{name}-id", name=name, vcpus=1, ram=memory_mb, disk=disk_gb)


class FakeCloud:
    """The few calls of openstacksdk that are made, on lists."""

    def __init__(self, **changes: Any) -> None:
        there = {
            "images": [
                image("debian-12"),
                image("debian-12", "2026-03-01"),
                image("debian-12", "2026-04-01", "queued"),
            ],
            "flavors": [flavor("s1.large", 2048, 16), flavor("s1.small", 512, 4)],
            "networks": [
                SimpleNamespace(id="public-id", name="public", mtu=1500, external=True),
                SimpleNamespace(id="campus-id", name="campus-net", mtu=1450, external=False),
            ],
            "subnets": [SimpleNamespace(id="subnet-id", cidr="10.1.0.0/24", network_id="campus-id")],
            **changes,
        }
        self.config = SimpleNamespace(get_auth_args=lambda: {"auth_url": "https://campus.example.org"})
        self.session = SimpleNamespace(get_token=lambda: "token")
        self.current_project = SimpleNamespace(name="demo")
        self.image = SimpleNamespace(
            images=lambda name=None: [each for each in there["images"] if name in (None, each.name)],
            find_image=lambda identity, ignore_missing: next(
                (each for each in there["images"] if each.id == identity), None
            ),
        )
        self.compute = SimpleNamespace(flavors=lambda: there["flavors"])
        self.network = SimpleNamespace(
            networks=lambda is_router_external=None: [
                each for each in there["networks"] if is_router_external in (None, each.external)
            ],
            subnets=lambda network_id, ip_version: [
                each for each in there["subnets"] if each.network_id == network_id
            ],
        )


def findings(request: CloudRequest, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        look_up(request, lambda _name: FakeCloud(**changes))
    return str(caught.value)


def test_names_become_ids_and_the_newest_active_image_is_taken() -> None:
    facts = look_up(REQUEST, lambda _name: FakeCloud())
    assert facts.image_id == "debian-12-2026-03-01"
    assert facts.flavors["s1.large"].memory_mb == 2048
    assert facts.external_network_id == "public-id"
    assert facts.network is None
    assert facts.project_name == "demo"


def test_an_image_may_be_given_by_id() -> None:
    request = replace(REQUEST, image=("site.image", "debian-12-2026-01-01"))
    assert look_up(request, lambda _name: FakeCloud()).image_id == "debian-12-2026-01-01"


def test_an_existing_network_brings_subnet_and_mtu() -> None:
    request = replace(REQUEST, network=("site.network", "campus-net"))
    network = look_up(request, lambda _name: FakeCloud()).network
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


class Keystone(BaseHTTPRequestHandler):
    """Discovery as Keystone answers it, and no password that is right."""

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        url = f"http://127.0.0.1:{self.server.server_port}/v3/"  # type: ignore[attr-defined]
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url}]}
        self._answer(200, {"version": version})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
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
