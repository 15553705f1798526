"""The few calls to the cloud's APIs that the rehearsal itself makes, by the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from rehearsal.services import KEYSTONE_PORT

CALL_TIMEOUT_SECONDS = 60
# Neutron: linuxbridge, L3, DHCP, metadata.
NEUTRON_AGENTS = 4
NOVA_SERVICES = frozenset({"nova-compute", "nova-scheduler", "nova-conductor"})
CINDER_SERVICES = frozenset({"cinder-volume", "cinder-scheduler"})

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(OSError):
    """An API answered with an error status."""


def call(method: str, url: str, body: object = None, token: str | None = None) -> tuple[Any, Any]:
    """Send a request; return the answer's headers and its decoded JSON. Raises OSError."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["X-Auth-Token"] = token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, headers=headers, data=data)
    try:
        with _direct.open(request, timeout=CALL_TIMEOUT_SECONDS) as answer:
            content = answer.read()
            return answer.headers, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        detail = error.read()[:300].decode(errors="replace")
        raise Refused(f"{method} {url}: {error.code} {detail}") from None


@dataclass(frozen=True, kw_only=True)
class Session:
    """An administrator's token and where it is good."""

    address: str
    token: str
    project_id: str

    @classmethod
    def log_in(cls, address: str, password: str, user: str = "admin", project: str = "admin") -> Session:
        """Get a token from Keystone; raises OSError."""
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": domain, "password": password}},
        }
        scope = {"project": {"name": project, "domain": domain}}
        url = f"http://{address}:{KEYSTONE_PORT}/v3/auth/tokens"
        headers, answer = call("POST", url, {"auth": {"identity": identity, "scope": scope}})
        return cls(
            address=address, token=headers["X-Subject-Token"], project_id=answer["token"]["project"]["id"]
        )

    def get(self, port: int, path: str) -> Any:
        """Return the decoded answer of a GET."""
        return call("GET", f"http://{self.address}:{port}{path}", token=self.token)[1]

    def post(self, port: int, path: str, body: object) -> Any:
        """Return the decoded answer of a POST."""
        return call("POST", f"http://{self.address}:{port}{path}", body, self.token)[1]

    def put(self, port: int, path: str) -> None:
        """Send a PUT without content."""
        call("PUT", f"http://{self.address}:{port}{path}", token=self.token)

    def delete(self, port: int, path: str) -> None:
        """Send a DELETE."""
        call("DELETE", f"http://{self.address}:{port}{path}", token=self.token)


def _is_since(stamp: str | None, since: str) -> bool:
    return stamp is not None and stamp[:19].replace("T", " ") >= since


def missing_services(session: Session, since: str = "") -> list[str]:
    """Return what Neutron, Nova and Cinder do not report as up, by reports made after ``since`` (UTC)."""
    agents = session.get(9696, "/v2.0/agents")["agents"]
    alive = [a for a in agents if a["alive"] and _is_since(a["heartbeat_timestamp"], since)]
    missing = [f"{NEUTRON_AGENTS - len(alive)} of Neutron's agents"] if len(alive) < NEUTRON_AGENTS else []
    reports = (
        (NOVA_SERVICES, session.get(8774, "/v2.1/os-services")["services"]),
        (CINDER_SERVICES, session.get(8776, f"/v3/{session.project_id}/os-services")["services"]),
    )
    for expected, services in reports:
        up = {s["binary"] for s in services if s["state"] == "up" and _is_since(s["updated_at"], since)}
        missing += sorted(expected - up)
    return missing
