"""What a workshop stands on: its machines and where its data are, made in a cloud or there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi

from components.remote_host import Life, RemoteHost
from swarmhub import plan as planned


class Machine(Protocol):
    """A server that steps can be run on, whoever made it.

    ``address`` is inside the machines' network, ``reached_at`` from outside; ``identity`` is another one
    after it was replaced. What is in it has the options of its ``life``.
    """

    plan: planned.Machine
    address: pulumi.Output[str]
    reached_at: pulumi.Output[str]
    identity: pulumi.Output[str]
    life: Life
    host: RemoteHost


class MachinesNetwork(Protocol):
    """The network that the machines are on."""

    subnet_cidr: str
    mtu: pulumi.Output[int]


class FileSystem(Protocol):
    """Where data are kept; they can be written after ``ready``."""

    @property
    def ready(self) -> pulumi.Resource: ...


@dataclass(frozen=True, kw_only=True)
class Ground:
    """``data`` is None when no machine of the stack has the homes; ``volumes`` are ids by name.

    ``cloud`` is the provider that resources of the cloud are made by, None where there is no cloud; ``made``
    is all that was asked of it.
    """

    network: MachinesNetwork
    manager: Machine
    workers: Sequence[Machine]
    storage: Machine | None
    state: FileSystem
    data: FileSystem | None
    volumes: Mapping[str, pulumi.Output[str]]
    cloud: pulumi.ProviderResource | None = None
    made: Sequence[pulumi.Resource] = ()
