"""The few calls of openstacksdk that are made before anything is created, on lists."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def thing(name: str | None, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"id": f"{name}-id", "name": name, "project_id": None, **fields})


def image(name: str, created: str = "2026-01-01", status: str = "active", **more: Any) -> SimpleNamespace:
    fields = {"min_disk": 4, "min_ram": 0, **more}
    return thing(name, id=f"{name}-{created}", created_at=created, status=status, **fields)


def flavor(name: str, memory_mb: int, disk_gb: int, vcpus: int = 1) -> SimpleNamespace:
    return thing(name, vcpus=vcpus, ram=memory_mb, disk=disk_gb)


def answer(document: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(status_code=200, json=lambda: document)


def ours(listing: list[Any]) -> Callable[..., list[Any]]:
    return lambda **_query: listing


COMPUTE_LIMITS = {
    "maxTotalInstances": 10,
    "totalInstancesUsed": 1,
    "maxTotalCores": 20,
    "totalCoresUsed": 2,
    "maxTotalRAMSize": 51200,
    "totalRAMUsed": 2048,
}
VOLUME_LIMITS = {
    "maxTotalVolumes": 10,
    "totalVolumesUsed": 0,
    "maxTotalVolumeGigabytes": 1000,
    "totalGigabytesUsed": 0,
}
NETWORK_QUOTAS = {
    "network": {"limit": 100, "used": 1, "reserved": 0},
    "subnet": {"limit": 100, "used": 1, "reserved": 0},
    "router": {"limit": 10, "used": 0, "reserved": 0},
    "port": {"limit": 500, "used": 3, "reserved": 0},
    "floatingip": {"limit": 50, "used": 0, "reserved": 0},
    "security_group": {"limit": 10, "used": 1, "reserved": 0},
    "security_group_rule": {"limit": 100, "used": 4, "reserved": 0},
}


class FakeCloud:
    """One image, two flavors, an external network and one of the campus; changes replace its lists."""

    def __init__(self, **changes: Any) -> None:
        there: dict[str, Any] = {
            "images": [
                image("debian-12"),
                image("debian-12", "2026-03-01"),
                image("debian-12", "2026-04-01", "queued"),
            ],
            "flavors": [flavor("s1.large", 2048, 16), flavor("s1.small", 512, 4)],
            "networks": [
                thing("public", mtu=1500, external=True),
                thing("campus-net", id="campus-id", mtu=1450, external=False),
            ],
            "subnets": [thing("campus-subnet", id="subnet-id", cidr="10.1.0.0/24", network_id="campus-id")],
            "routers": [],
            "ports": [],
            "ips": [],
            "groups": [],
            "servers": [],
            "volumes": [],
            "volume_types": [thing("fast")],
            "dns_zones": None,
            "zones": [thing("nova", state={"available": True})],
            "compute_limits": COMPUTE_LIMITS,
            "volume_limits": VOLUME_LIMITS,
            "network_quotas": NETWORK_QUOTAS,
            "token": {"methods": ["password"]},
            "application_credential": {},
            **changes,
        }
        access = SimpleNamespace(
            username="ada",
            project_name="demo",
            user_id="ada-id",
            expires=None,
            _data={"token": there["token"]},
        )
        self.config = SimpleNamespace(get_auth_args=lambda: {"auth_url": "https://campus.example.org"})
        self.session = SimpleNamespace(
            get_token=lambda: "token", auth=SimpleNamespace(get_access=lambda _session: access)
        )
        self.current_project_id = "demo-id"
        self.identity = SimpleNamespace(
            get=lambda _url: answer({"application_credential": there["application_credential"]})
        )
        self.image = SimpleNamespace(
            images=lambda name=None: [each for each in there["images"] if name in (None, each.name)],
            find_image=lambda identity, ignore_missing: next(
                (each for each in there["images"] if each.id == identity), None
            ),
        )
        self.compute = SimpleNamespace(
            flavors=lambda: there["flavors"],
            servers=ours(there["servers"]),
            availability_zones=ours(there["zones"]),
            get=lambda _url: answer({"limits": {"absolute": there["compute_limits"]}}),
        )
        self.block_storage = SimpleNamespace(
            types=ours(there["volume_types"]),
            volumes=ours(there["volumes"]),
            availability_zones=ours(there["zones"]),
            get=lambda _url: answer({"limits": {"absolute": there["volume_limits"]}}),
        )
        self.has_service = lambda name: name != "dns" or there["dns_zones"] is not None
        self.dns = SimpleNamespace(zones=ours(there["dns_zones"] or []))
        self.network = SimpleNamespace(
            networks=lambda is_router_external=None, project_id=None: [
                each for each in there["networks"] if is_router_external in (None, each.external)
            ],
            subnets=lambda network_id=None, ip_version=4, project_id=None: [
                each for each in there["subnets"] if network_id in (None, each.network_id)
            ],
            routers=ours(there["routers"]),
            ports=lambda network_id=None, project_id=None: [
                each for each in there["ports"] if network_id in (None, each.network_id)
            ],
            find_port=lambda identity, ignore_missing: next(
                (each for each in there["ports"] if each.id == identity), None
            ),
            ips=ours(there["ips"]),
            security_groups=ours(there["groups"]),
            get=lambda _url: answer({"quota": there["network_quotas"]}),
        )
