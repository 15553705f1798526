"""Looks up on the cloud every name that a stack file holds, before anything is made.

All questions are asked at the same time: a cloud answers most of them in tenths of a second, and `up` and
`preview` begin with them.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import openstack
from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk
from urllib3.util import Retry

from live.project import read_credentials, read_project
from swarmhub.errors import Finding, UserError
from swarmhub.facts import (
    CloudFacts,
    CloudRequest,
    ExistingNetwork,
    ExistingVolume,
    Flavor,
    Survey,
)
from swarmhub.settings.keys import shown

ANSWER_SECONDS = 10
# What a cloud answers that is asked too often, or is busy. It may say when to come again; else each wait is
# twice the last one.
RETRIED, LIMIT_RETRIES, FIRST_WAIT_SECONDS = (429, 503), 5, 0.5
NAMES_SHOWN = 8
# openstacksdk's own entries, for no configuration and for the OS_* variables.
PSEUDO_CLOUDS = {"defaults", "envvars"}
# A volume on its way out is none; one in another state than these is not to be counted on.
LEAVING = {"deleting"}
DETACHED = {"available", "reserved", "attaching"}
ATTACHED = {"in-use", "detaching", "extending"}

# keystoneauth warns on standard error of what becomes a finding here.
logging.getLogger("keystoneauth").setLevel(logging.ERROR)

AT_ONCE = 16
# What a flavor's extra specs say of GPUs, reserved hosts and the like.
SPECIAL_HARDWARE = ("pci_passthrough:", "resources:", "aggregate_instance_extra_specs:", "trait:")
NOTHING = Flavor(id="", name="", vcpus=0, memory_mb=0, disk_gb=0)

Result = TypeVar("Result")
Attempt = tuple[Result | None, list[Finding]]
Connect = Callable[[str | None, str | None], Any]


def _candidates(name: str, names: Iterable[str]) -> str:
    """What to write instead: the nearest name, or those there are."""
    there = sorted({each for each in names if each})
    if close := difflib.get_close_matches(name, there, n=1):
        return f"Did you mean {close[0]}?"
    if not there:
        return "The project has none: ask the cloud's operators"
    more = f" and {len(there) - NAMES_SHOWN} more" if len(there) > NAMES_SHOWN else ""
    return f"There are {', '.join(there[:NAMES_SHOWN])}{more}"


def _missing(key: str, kind: str, name: str, names: Iterable[str]) -> Finding:
    return Finding(
        where=key, problem=f"the cloud has no {kind} {shown(name)}", remedy=_candidates(name, names)
    )


def connect_to(cloud: str | None, region: str | None = None) -> Any:
    """A connection by an entry of clouds.yaml, or by the OS_* variables. Raises UserError."""
    wanted: dict[str, Any] = {"region_name": region} if region else {}
    try:
        config = openstack.config.OpenStackConfig().get_one(cloud=cloud, api_timeout=ANSWER_SECONDS, **wanted)
        return _patient(openstack.connection.Connection(config=config))
    except sdk.ConfigException as error:
        known = set(openstack.config.OpenStackConfig().get_cloud_names()) - PSEUDO_CLOUDS
        if cloud is not None:
            remedy = (
                _candidates(cloud, known)
                if known
                else "No clouds.yaml was found: OS_CLIENT_CONFIG_FILE names one"
            )
            problem = f"clouds.yaml has no entry {shown(cloud)}" if cloud not in known else str(error)
            raise UserError([Finding(where="site.cloud", problem=problem, remedy=remedy)]) from None
        raise _without_credentials() from None
    except auth.MissingRequiredOptions as error:
        if cloud is None:
            raise _without_credentials() from None
        raise UserError([_credentials(cloud, str(error))]) from None


def _patient(connection: Any) -> Any:
    """Have all its calls come again that are turned away: keystoneauth's own retries leave out the login."""
    retry = Retry(
        total=None,
        connect=0,
        read=False,
        status=LIMIT_RETRIES,
        status_forcelist=RETRIED,
        allowed_methods=None,
        backoff_factor=FIRST_WAIT_SECONDS,
        raise_on_status=False,
    )
    for adapter in connection.session.session.adapters.values():
        adapter.max_retries = retry
    return connection


def _without_credentials() -> UserError:
    return UserError(
        [
            Finding(
                where="site.cloud",
                problem="no OpenStack credentials were found",
                rule="They come from clouds.yaml or from the OS_* variables",
                remedy="Set site.cloud to an entry of clouds.yaml, or source the project's openrc file",
            )
        ]
    )


def _credentials(cloud: str | None, problem: str) -> Finding:
    source = f"the entry {shown(cloud)} of clouds.yaml" if cloud else "the OS_* variables"
    return Finding(
        where="credentials", problem=problem, remedy=f"Check user, password and project in {source}"
    )


def _authorize(connection: Any, cloud: str | None) -> None:
    """Get a token; whatever stands in the way is one sentence."""
    url = connection.config.get_auth_args().get("auth_url") or "(none)"
    try:
        connection.session.get_token()
    except auth.Unauthorized as error:
        finding = _credentials(cloud, f"the cloud at {url} refused them ({_reason(error)})")
    except auth.SSLError as error:
        finding = Finding(
            where="cloud",
            problem=f"the certificate of {url} is not trusted ({_reason(error)})",
            remedy="Name its CA as cacert in clouds.yaml or in OS_CACERT",
        )
    except (auth.ConnectionError, auth.DiscoveryFailure, auth.HttpError) as error:
        finding = Finding(
            where="cloud",
            problem=f"{url} does not answer as OpenStack ({_reason(error)})",
            remedy="Check auth_url in clouds.yaml or OS_AUTH_URL, and that this machine reaches it",
        )
    except auth.ClientException as error:
        finding = _credentials(cloud, _reason(error))
    else:
        return
    raise UserError([finding])


def _reason(error: Exception) -> str:
    """The innermost cause in one line: the HTTP libraries wrap theirs several times."""
    text = " ".join(str(error).split())
    causes = re.findall(
        r"(?:Failed to [^()]*?|\[Errno -?\d+\] [\w ]+|timed out|certificate verify failed[^)]*)(?=['\"()])",
        text,
    )
    return (causes[-1] if causes else text).strip(" .:")


def _find_image(connection: Any, key: str, name: str) -> Attempt[Any]:
    images = [image for image in connection.image.images(name=name) if image.status == "active"]
    if images:
        return max(images, key=lambda image: image.created_at), []
    by_id = connection.image.find_image(name, ignore_missing=True)
    if by_id is not None and by_id.status == "active":
        return by_id, []
    return None, [_missing(key, "active image", name, (image.name for image in connection.image.images()))]


def _match_image(connection: Any, key: str, pattern: str) -> Attempt[Any]:
    active = [image for image in connection.image.images() if image.status == "active"]
    matching = [image for image in active if re.fullmatch(pattern, image.name or "")]
    if matching:
        return max(matching, key=lambda image: image.created_at), []
    problem = f"no active image's whole name matches {shown(pattern)}"
    return None, [
        Finding(where=key, problem=problem, remedy=_candidates(pattern, (image.name for image in active)))
    ]


def _find_flavors(connection: Any, wanted: Mapping[str, str]) -> Attempt[dict[str, Flavor]]:
    listed = [_flavor(each) for each in connection.compute.flavors()]
    there = {each.id: each for each in listed} | {each.name: each for each in listed}
    names = [each.name for each in listed]
    findings = [_missing(key, "flavor", name, names) for key, name in wanted.items() if name not in there]
    return {name: there.get(name, replace(NOTHING, name=name)) for name in wanted.values()}, findings


def _flavor(each: Any) -> Flavor:
    return Flavor(id=each.id, name=each.name, vcpus=each.vcpus, memory_mb=each.ram, disk_gb=each.disk)


def _ordinary_flavors(connection: Any) -> list[Flavor]:
    """Those without special hardware, which nobody wants unasked."""
    return [
        _flavor(each)
        for each in connection.compute.flavors()
        if not any(spec.startswith(SPECIAL_HARDWARE) for spec in getattr(each, "extra_specs", None) or {})
    ]


def list_flavors(cloud: str | None, region: str | None = None, connect: Connect = connect_to) -> list[Flavor]:
    """Every flavor of a cloud that is nothing special. Raises UserError."""
    connection = connect(cloud, region)
    _authorize(connection, cloud)
    return _ordinary_flavors(connection)


def _find_named(kind: str, listing: Iterable[Any], key: str, name: str) -> Attempt[str]:
    """The id of the one thing of that name or id."""
    there = list(listing)
    by_id = [each.id for each in there if each.id == name]
    found = by_id or [each.id for each in there if each.name == name]
    if len(found) > 1:
        problem = f"the cloud has {len(found)} {kind}s named {shown(name)}"
        return None, [Finding(where=key, problem=problem, remedy=f"Give the id, such as {found[0]}")]
    return (found[0], []) if found else (None, [_missing(key, kind, name, (each.name for each in there))])


def _find_external_network(connection: Any, key: str, name: str) -> Attempt[str]:
    return _find_named("external network", connection.network.networks(is_router_external=True), key, name)


def _find_network(
    connection: Any, key: str, name: str, wanted_subnet: tuple[str, str] | None, floats: bool
) -> Attempt[ExistingNetwork]:
    there = list(connection.network.networks())
    identity, findings = _find_named("network", there, key, name)
    if identity is None:
        return None, findings
    network = next(each for each in there if each.id == identity)
    subnets = list(connection.network.subnets(network_id=network.id, ip_version=4))
    if wanted_subnet:
        chosen, findings = _find_named("subnet of IPv4", subnets, *wanted_subnet)
        if chosen is None:
            return None, findings
        subnets = [each for each in subnets if each.id == chosen]
    if not subnets:
        problem = f"the network {shown(name)} has no IPv4 subnet"
        return None, [Finding(where=key, problem=problem, remedy="Make one, or name another network")]
    if len(subnets) > 1:
        names = ", ".join(sorted(each.name or each.id for each in subnets))
        problem = f"the network {shown(name)} has {len(subnets)} IPv4 subnets"
        return None, [Finding(where=key, problem=problem, remedy=f"Set site.subnet to one of {names}")]
    subnet = subnets[0]
    return (
        ExistingNetwork(id=network.id, subnet_id=subnet.id, subnet_cidr=subnet.cidr, mtu=network.mtu),
        _closed_in(connection, key, network, subnet) if floats else [],
    )


def _find_router(connection: Any, key: str, name: str, external: str | None) -> Attempt[str]:
    """The id of a router that leads to the external network of that name or id, or to any when it is None."""
    there = list(connection.network.routers())
    identity, findings = _find_named("router", there, key, name)
    if identity is None:
        return None, findings
    leads_to = _gateway(next(each for each in there if each.id == identity))
    networks = {each.id: each.name for each in connection.network.networks(is_router_external=True)}
    if leads_to and external in (None, leads_to, networks.get(leads_to)):
        return identity, []
    elsewhere = f"leads to {networks.get(leads_to, leads_to)}" if leads_to else "has no gateway"
    remedy = f"Name another, or have it lead there: openstack router set --external-gateway {external} {name}"
    return None, [
        Finding(
            where=key,
            problem=f"the router {shown(name)} {elsewhere}",
            rule="Floating IPs come in by a router to their network",
            remedy=remedy if external else "Name one that has a gateway",
        )
    ]


def _gateway(router: Any) -> str | None:
    """The id of the external network that a router leads to."""
    identity = (router.external_gateway_info or {}).get("network_id")
    return str(identity) if identity else None


def _closed_in(connection: Any, key: str, network: Any, subnet: Any) -> list[Finding]:
    """That no router leads out of a subnet, as far as the project may see its routers."""
    ports = [
        each
        for each in connection.network.ports(network_id=network.id)
        if "router" in (each.device_owner or "")
        and any(fixed["subnet_id"] == subnet.id for fixed in each.fixed_ips)
    ]
    joined = {each.device_id for each in ports}
    seen = [each for each in connection.network.routers() if each.id in joined]
    # Others' networks and routers show the project only what they please.
    unknown = network.project_id != connection.current_project_id if not joined else len(seen) < len(joined)
    if unknown or any(_gateway(each) for each in seen):
        return []
    return [
        Finding(
            where=key,
            problem=f"no router leads from {network.name} to an external network",
            rule="Floating IPs come in by a router",
            remedy=f"Join one: openstack router add subnet ROUTER {subnet.name or subnet.id}; "
            "or set site.public_address to direct, where the network is public",
        )
    ]


def _find_dns_zone(connection: Any, key: str, name: str) -> Attempt[str]:
    if not connection.has_service("dns"):
        remedy = "Remove it, and set the record of hub.domain at the domain's own DNS provider"
        return None, [Finding(where=key, problem="the cloud has no DNS service", remedy=remedy)]
    zones = {each.name.rstrip("."): each.id for each in connection.dns.zones()}
    return (zones[name], []) if name in zones else (None, [_missing(key, "DNS zone", name, zones)])


def _find_groups(connection: Any, wanted: Sequence[tuple[str, str]]) -> Attempt[tuple[str, ...]]:
    # An administrator's credentials list every project's groups, which mostly have the same names.
    project = connection.current_project_id
    there = list(connection.network.security_groups(project_id=project)) if wanted else []
    found, findings = [], []
    for key, name in wanted:
        identity, missing = _find_named("security group", there, key, name)
        findings += missing
        if identity:
            found.append(identity)
    return tuple(found), findings


def _find_address(connection: Any, key: str, address: str, manager: str) -> Attempt[str]:
    """The id of a floating IP that is free, or at the stack's manager already."""
    there = list(connection.network.ips(project_id=connection.current_project_id))
    found = next((each for each in there if each.floating_ip_address == address), None)
    if found is None:
        listed = sorted(each.floating_ip_address for each in there)
        remedy = f"It has {', '.join(listed)}" if listed else "It has none: set site.public_address to new"
        return None, [Finding(where=key, problem=f"the project has no floating IP {address}", remedy=remedy)]
    port = connection.network.find_port(found.port_id, ignore_missing=True) if found.port_id else None
    if found.port_id and (port is None or port.name != manager):
        holder = (port.name if port else None) or found.port_id
        return None, [
            Finding(
                where=key,
                problem=f"the floating IP {address} is in use by the port {holder}",
                rule="It would be taken away from there",
                remedy=f"Free it: openstack floating ip unset --port {address}; or name another",
            )
        ]
    return str(found.id), []


def _find_volume_types(connection: Any, wanted: Mapping[str, str]) -> Attempt[bool]:
    names = [each.name for each in connection.block_storage.types()] if wanted else []
    return True, [
        _missing(key, "volume type", name, names) for key, name in wanted.items() if name not in names
    ]


def _find_zone(zones: Iterable[Any], key: str, name: str) -> Attempt[str]:
    names = [each.name for each in zones if (each.state or {}).get("available", True)]
    return (name, []) if name in names else (None, [_missing(key, "availability zone", name, names)])


def _find_volumes(
    connection: Any, wanted: Mapping[str, str], metadata: Mapping[str, str]
) -> Attempt[dict[str, ExistingVolume]]:
    """The stack's volumes by name; one that is not there yet is no finding."""
    ours = [
        each
        for each in connection.block_storage.volumes()
        if each.status not in LEAVING and metadata.items() <= (each.metadata or {}).items()
    ]
    found, findings = {}, []
    for key, name in wanted.items():
        named = [each for each in ours if each.name == name]
        if len(named) > 1:
            ids = " and ".join(sorted(each.id for each in named))
            findings.append(
                Finding(
                    where=key,
                    problem=f"the project has {len(named)} volumes {name}: {ids}",
                    rule="Which of them holds this stack's data cannot be told",
                    remedy="Rename or delete the one that does not: openstack volume set --name NEW ID",
                )
            )
        elif named and named[0].status not in DETACHED | ATTACHED:
            findings.append(
                Finding(
                    where=key,
                    problem=f"the volume {name} ({named[0].id}) is in the state {named[0].status}",
                    remedy=f"See openstack volume show {named[0].id}, and have the cloud's operators mend it",
                )
            )
        elif named:
            found[name] = ExistingVolume(
                id=named[0].id, size_gb=named[0].size, attached=named[0].status in ATTACHED
            )
    return found, findings


def _fits(image: Any, flavor: Flavor, request: CloudRequest) -> bool:
    disk_gb = request.boot_volume[1] if request.boot_volume else flavor.disk_gb
    return flavor.memory_mb >= (image.min_ram or 0) and disk_gb >= max(image.min_disk or 0, 1)


def _image_fits(image: Any, flavors: Mapping[str, Flavor], request: CloudRequest) -> list[Finding]:
    findings = []
    for key, name in request.flavors.items():
        flavor = flavors[name]
        if not flavor.id:
            continue
        needs = [("memory", flavor.memory_mb, image.min_ram or 0, "MB")]
        if flavor.disk_gb and not request.boot_volume:
            needs.append(("disk", flavor.disk_gb, image.min_disk or 0, "GB"))
        findings += [
            Finding(
                where=key,
                problem=f"the {what} of {name} is {has} {unit}, and {image.name} needs {needed} {unit}",
                remedy="Choose a larger flavor",
            )
            for what, has, needed, unit in needs
            if has < needed
        ]
        if not flavor.disk_gb and not request.boot_volume:
            findings.append(
                Finding(
                    where=key,
                    problem=f"{name} has no disk of its own",
                    rule="Such machines boot from a volume",
                    remedy="Set site.boot_volume, for example to {size_gb: 30}, or choose another flavor",
                )
            )
    if request.boot_volume and request.boot_volume[1] < (image.min_disk or 0):
        findings.append(
            Finding(
                where=request.boot_volume[0],
                problem=f"it is {request.boot_volume[1]} GB, and {image.name} needs {image.min_disk} GB",
                remedy="Make it larger",
            )
        )
    return findings


def _mixed_credentials(request: CloudRequest) -> list[Finding]:
    """OS_* variables win over an entry of clouds.yaml, in Pulumi's provider as in OpenStack's own clients."""
    names = ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_APPLICATION_CREDENTIAL_ID", "OS_TOKEN")
    there = [name for name in names if os.environ.get(name)]
    if request.cloud is None or not there:
        return []
    return [
        Finding(
            where="credentials",
            problem=f"{', '.join(there)} stand in the environment beside site.cloud: {request.cloud}",
            remedy="Unset them, or remove site.cloud: the two may mean different projects",
        )
    ]


def _questions(connection: Any, request: CloudRequest) -> dict[str, Callable[[], Attempt[Any]]]:
    """What is asked for each name of the request, in the order in which its findings are shown."""
    find_image = _match_image if request.image_is_pattern else _find_image
    questions: dict[str, Callable[[], Attempt[Any]]] = {
        "image": lambda: find_image(connection, *request.image),
        "flavors": lambda: _find_flavors(connection, request.flavors),
        "security groups": lambda: _find_groups(connection, request.security_groups),
        "volume types": lambda: _find_volume_types(connection, request.volume_types),
    }
    if request.volumes:
        questions["volumes"] = lambda: _find_volumes(connection, request.volumes, request.volume_metadata)
    if request.first_worker:
        questions["offered"] = lambda: (_ordinary_flavors(connection), [])
    if external := request.external_network:
        questions["external network"] = lambda: _find_external_network(connection, *external)
    if network := request.network:
        questions["network"] = lambda: _find_network(connection, *network, request.subnet, request.floats)
    if router := request.router:
        leads_to = request.external_network[1] if request.external_network else None
        questions["router"] = lambda: _find_router(connection, *router, leads_to)
    if address := request.address:
        questions["address"] = lambda: _find_address(connection, *address, request.manager)
    if dns_zone := request.dns_zone:
        questions["DNS zone"] = lambda: _find_dns_zone(connection, *dns_zone)
    if zone := request.zone:
        questions["zone"] = lambda: _find_zone(connection.compute.availability_zones(), *zone)
    if volume_zone := request.volume_zone:
        questions["volume zone"] = lambda: _find_zone(
            connection.block_storage.availability_zones(), *volume_zone
        )
    return questions


def survey_cloud(request: CloudRequest, prefix: str = "", connect: Connect = connect_to) -> Survey:
    """Resolve every name of the request, and list what the project has under names with that ``prefix``.

    What is missing or does not fit is among the survey's findings. Raises ``UserError`` when the cloud
    does not answer at all.
    """
    connection = connect(request.cloud, request.region)
    _authorize(connection, request.cloud)
    try:
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            project_asked = pool.submit(read_project, connection, prefix)
            credentials_asked = pool.submit(read_credentials, connection)
            asked = {
                what: pool.submit(question) for what, question in _questions(connection, request).items()
            }
            answers = {what: answer.result() for what, answer in asked.items()}
            project, credentials = project_asked.result(), credentials_asked.result()
    except (sdk.SDKException, auth.ClientException) as error:
        remedy = "Wait and run it again; `openstack catalog list` shows where this machine must reach"
        problem = f"one of the cloud's services does not answer ({_reason(error)})"
        raise UserError([Finding(where="cloud", problem=problem, remedy=remedy)]) from None
    found = {what: value for what, (value, _) in answers.items()}
    findings = [finding for _, more in answers.values() for finding in more]
    image, flavors = found["image"], found["flavors"] or {}

    if image is not None:
        findings += _image_fits(image, flavors, request)
    at_work = project.servers.get(request.first_worker or "")
    offered = [
        each for each in found.get("offered") or () if image is not None and _fits(image, each, request)
    ]
    facts = CloudFacts(
        project_name=credentials.project_name,
        image_id=image.id if image else "",
        image_name=(image.name or "") if image else "",
        flavors=flavors,
        external_network_id=found.get("external network"),
        network=found.get("network"),
        volumes=found.get("volumes") or {},
        router_id=found.get("router"),
        dns_zone_id=found.get("DNS zone"),
        security_group_ids=found["security groups"] or (),
        offered=tuple(offered),
        first_worker=at_work.name if at_work else "",
    )
    return Survey(
        facts=facts,
        findings=tuple(findings),
        warnings=tuple(_mixed_credentials(request)),
        passed=_what_is_there(request, facts, findings),
        project=project,
        credentials=credentials,
    )


def _what_is_there(request: CloudRequest, facts: CloudFacts, findings: Sequence[Finding]) -> tuple[str, ...]:
    """One line for each name that the cloud has."""
    wrong = {finding.where for finding in findings}
    lines = []
    if request.image[0] not in wrong:
        lines.append(f"{request.image[0]}: {facts.image_name} ({facts.image_id})")
    for key, name in request.flavors.items():
        flavor = facts.flavors[name]
        if key not in wrong:
            size = f"{flavor.vcpus} CPUs, {flavor.memory_mb} MB, disk {flavor.disk_gb} GB"
            lines.append(f"{key}: {name} ({size})")
    pairs = (
        request.external_network,
        request.network,
        request.subnet,
        request.router,
        request.address,
        request.dns_zone,
        *request.security_groups,
        *request.volume_types.items(),
        request.zone,
        request.volume_zone,
    )
    lines += [f"{pair[0]}: {pair[1]}" for pair in pairs if pair and pair[0] not in wrong]
    return tuple(lines)


def open_connection(cloud: str | None, region: str | None = None) -> Any:
    """Connect to the cloud and see that it lets us in. Raises ``UserError``."""
    connection = connect_to(cloud, region)
    _authorize(connection, cloud)
    return connection
