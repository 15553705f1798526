"""What a manager tells of itself, judged: what is well, and what needs somebody's hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS_PER_DAY = 86_400
# certbot renews with a third of the life left, with half of lives below ten days.
RENEWAL_IS_LATE_AT = 1 / 6
# Somebody has to get the next one of those that are files.
FILES_ARE_LATE_DAYS = 14
DISK_IS_FULL_PERCENT = 90
RENEWAL_LOG = "journalctl --unit swarmhub-certificate"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at; ``remedy`` is empty when it is well."""

    what: str
    found: str
    remedy: str = ""

    @property
    def passed(self) -> bool:
        return not self.remedy

    def __str__(self) -> str:
        mark = "ok  " if self.passed else "FAIL"
        return f"{mark}  {self.what}: {self.found}" + (f". {self.remedy}" if self.remedy else "")


def _certificate(told: Mapping[str, str]) -> Check:
    origin, seconds = told["certificate_from"], int(told["certificate_seconds"])
    if origin == "nowhere":
        return Check(what="certificate", found="none, as tls.issuer says; everything travels in clear")
    days = seconds / SECONDS_PER_DAY
    remedy, late_days = (
        f"Look at: {RENEWAL_LOG}",
        RENEWAL_IS_LATE_AT * int(told["certificate_seconds_in_all"]),
    )
    late_days /= SECONDS_PER_DAY
    if origin == "files":
        remedy = "Put a new one in the files of tls.certificate_file and tls.key_file, and run pulumi up"
        late_days = FILES_ARE_LATE_DAYS
    elif told["self_signed"] == "true":
        return Check(what="certificate", found="the self-signed one of the first start", remedy=remedy)
    found = f"{int(days)} days left" if days >= 0 else "expired"
    if not int(told["certificate_seconds_in_all"]):
        found, days = "missing", -1
    return Check(what="certificate", found=found, remedy=remedy if days < late_days else "")


def _renewal(told: Mapping[str, str]) -> Check:
    if told["certificate_from"] != "order":
        return Check(what="renewal", found="nothing to renew here")
    if told["renewal_timer"] != "active":
        return Check(
            what="renewal",
            found=f"its timer is {told['renewal_timer']}",
            remedy="Run pulumi up again, or systemctl enable --now swarmhub-certificate.timer",
        )
    if told["renewal_result"] != "success":
        return Check(
            what="renewal",
            found=f"the last one ended with {told['renewal_result']} ({told['renewal_log']})",
            remedy=f"Look at: {RENEWAL_LOG}",
        )
    return Check(what="renewal", found="the last look succeeded")


def _services(told: Mapping[str, str]) -> list[Check]:
    listed = dict(line.rsplit(" ", 1) for line in told["services"].splitlines())
    checks = []
    for name in ("hub", "proxy"):
        running = listed.get(name, "none").split()[0]
        well = running == "1/1"
        checks.append(
            Check(
                what=f"service {name}",
                found=f"{running} running",
                remedy="" if well else f"Look at: docker service ps --no-trunc {name}",
            )
        )
    running = told["front_door"]
    remedy = "" if running == "running" else "Look at: docker logs front-door"
    return [*checks, Check(what="front door", found=running, remedy=remedy)]


def _nodes(told: Mapping[str, str]) -> list[Check]:
    checks = []
    for line in told["nodes"].splitlines():
        name, status, availability = line.split()
        well = status == "Ready"
        remedy = "" if well else f"Look at the machine {name}: servers on it are lost until it is back"
        checks.append(Check(what=f"machine {name}", found=f"{status}, {availability}".lower(), remedy=remedy))
    return checks


def _disks(told: Mapping[str, str]) -> list[Check]:
    checks = []
    for line in told["disks"].splitlines():
        target, percent = line.split()
        full = int(percent.rstrip("%")) >= DISK_IS_FULL_PERCENT
        remedy = "Free some, or raise storage.size_gb and run pulumi up" if full else ""
        checks.append(Check(what=f"disk {target}", found=f"{percent} used", remedy=remedy))
    return checks


def _closed(told: Mapping[str, str]) -> list[Check]:
    """What keeps containers from machines, and from each other."""
    return [
        Check(
            what=what,
            found=told[name],
            remedy="" if told[name] == "active" else f"Look at: systemctl status {unit}",
        )
        for what, name, unit in (
            ("firewall", "firewall", "swarmhub-firewall"),
            ("overlay filter", "overlay_filter", "swarmhub-overlay-filter"),
        )
    ]


def judge(told: Mapping[str, str]) -> tuple[Check, ...]:
    """Judge what node/check.sh printed."""
    front_door = (_certificate(told), _renewal(told), *_closed(told))
    return (*front_door, *_services(told), *_nodes(told), *_disks(told))
