"""How many machines of which size."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.settings.keys import NAME, ChangeEffect, address, host_key, key, nested, whole_number

# More is a matter for several hubs: one manager's nginx, proxy and hub serve them all.
MAX_WORKERS = 200


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The machines that run the students' servers."""

    flavor: str | None = key(
        NAME,
        "Flavor of each worker; without it the one that seats workshop.users with the fewest CPUs",
        change=ChangeEffect.RESIZE,
        default=None,
    )
    count: int | None = key(
        whole_number(1, MAX_WORKERS),
        "Number of workers; without it as many as workshop.users need, or one. A lower number ends the "
        "servers on the last ones",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Reinstall:
    """Numbers that replace machines on purpose: another number makes them anew, with the image of then."""

    manager: int = key(
        whole_number(0, 1_000_000),
        "Another number replaces the manager; the hub is down meanwhile, volumes and address stay",
        change=ChangeEffect.MACHINE,
        default=0,
    )
    worker: int = key(
        whole_number(0, 1_000_000),
        "Another number replaces all workers; the servers on them end",
        change=ChangeEffect.MACHINE,
        default=0,
    )
    storage: int = key(
        whole_number(0, 1_000_000),
        "Another number replaces the storage machine; what uses homes waits meanwhile",
        change=ChangeEffect.MACHINE,
        default=0,
    )


@dataclass(frozen=True, kw_only=True)
class Host:
    """A machine that is there already."""

    address: str = key(
        address,
        "Address of the machine in site.subnet_cidr; another address is another machine",
        change=ChangeEffect.MACHINE,
    )
    host_key: str | None = key(
        host_key,
        "Public host key of its ssh server; without it site.known_hosts_file is asked",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class ManagerHost(Host):
    """The machine that students open."""

    public_address: str | None = key(
        address,
        "Address that students and ssh reach the manager at, where it is another than `address`",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Machines that are there already. Workers keep their order: add new ones last."""

    manager: ManagerHost = key(
        nested,
        "The machine with hub, proxy and the address that students open",
        change=ChangeEffect.DATA,
        section=ManagerHost,
    )
    workers: tuple[Host, ...] = key(
        nested,
        "The machines that run the students' servers",
        change=ChangeEffect.IN_PLACE,
        section=Host,
        many=True,
    )
    storage: Host | None = key(
        nested,
        "A machine for homes alone, outside the swarm; without it the manager holds them",
        change=ChangeEffect.DATA,
        default=None,
        section=Host,
    )

    @property
    def all(self) -> dict[str, Host]:
        """Each under its config key."""
        workers = {f"machines.hosts.workers[{place}]": each for place, each in enumerate(self.workers)}
        storage = {"machines.hosts.storage": self.storage} if self.storage else {}
        return {"machines.hosts.manager": self.manager, **storage, **workers}


@dataclass(frozen=True, kw_only=True)
class Machines:
    """How many machines of which size, or which machines."""

    manager: str | None = key(
        NAME,
        "Flavor of the manager; it must be set but with site.kind: existing",
        change=ChangeEffect.RESIZE,
        default=None,
    )
    worker: Workers = key(
        nested,
        "The machines that run the students' servers",
        change=ChangeEffect.IN_PLACE,
        default=Workers(),
        section=Workers,
    )
    storage: str | None = key(
        NAME,
        "Flavor of a machine for homes alone, outside the swarm; without it the manager holds them. "
        "A stack that is up keeps its homes where they are: set or remove it between destroy and up",
        change=ChangeEffect.RESIZE,
        default=None,
    )
    reinstall: Reinstall = key(
        nested,
        "Numbers that replace machines on purpose",
        change=ChangeEffect.MACHINE,
        default=Reinstall(),
        section=Reinstall,
    )
    hosts: Hosts | None = key(
        nested, Hosts.__doc__ or "", change=ChangeEffect.MACHINE, default=None, section=Hosts
    )
