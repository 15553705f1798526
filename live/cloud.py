"""Looks up on the cloud every name that a stack file holds, before anything is made."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import openstack
from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk

from swarmhub.errors import Finding, UserError
from swarmhub.facts import CloudFacts, CloudRequest, ExistingNetwork, Flavor

ANSWER_SECONDS = 10
NAMES_SHOWN = 8
# openstacksdk's own entries, for no configuration and for the OS_* variables.
PSEUDO_CLOUDS = {"defaults", "envvars"}
MEGABYTES_PER_GIGABYTE = 1024

# keystoneauth warns on standard error of what becomes a finding here.
logging.getLogger("keystoneauth").setLevel(logging.ERROR)

Result = TypeVar("Result")
Attempt = tuple[Result | None, list[Finding]]


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
    return Finding(where=key, problem=f"the cloud has no {kind} {name!r}", remedy=_candidates(name, names))


def _connect(cloud: str | None) -> Any:
    try:
        region = openstack.config.OpenStackConfig().get_one(cloud=cloud, api_timeout=ANSWER_SECONDS)
        return openstack.connection.Connection(config=region)
    except sdk.ConfigException as error:
        known = set(openstack.config.OpenStackConfig().get_cloud_names()) - PSEUDO_CLOUDS
        if cloud is not None:
            remedy = (
                _candidates(cloud, known)
                if known
                else "No clouds.yaml was found: OS_CLIENT_CONFIG_FILE names one"
            )
            problem = f"clouds.yaml has no entry {cloud!r}" if cloud not in known else str(error)
            raise UserError([Finding(where="site.cloud", problem=problem, remedy=remedy)]) from None
        raise _without_credentials() from None
    except auth.MissingRequiredOptions as error:
        if cloud is None:
            raise _without_credentials() from None
        raise UserError([_credentials(cloud, str(error))]) from None


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
    source = f"the entry {cloud!r} of clouds.yaml" if cloud else "the OS_* variables"
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


def _find_flavors(connection: Any, wanted: Mapping[str, str]) -> Attempt[dict[str, Flavor]]:
    there = {
        each.name: Flavor(id=each.id, name=each.name, vcpus=each.vcpus, memory_mb=each.ram, disk_gb=each.disk)
        for each in connection.compute.flavors()
    }
    findings = [_missing(key, "flavor", name, there) for key, name in wanted.items() if name not in there]
    return there, findings


def _find_external_network(connection: Any, key: str, name: str) -> Attempt[str]:
    there = list(connection.network.networks(is_router_external=True))
    found = next((each.id for each in there if name in (each.name, each.id)), None)
    return found, [] if found else [_missing(key, "external network", name, (each.name for each in there))]


def _find_network(connection: Any, key: str, name: str) -> Attempt[ExistingNetwork]:
    there = list(connection.network.networks())
    network = next((each for each in there if name in (each.name, each.id)), None)
    if network is None:
        return None, [_missing(key, "network", name, (each.name for each in there))]
    subnet = next(iter(connection.network.subnets(network_id=network.id, ip_version=4)), None)
    if subnet is None:
        problem = f"the network {name!r} has no IPv4 subnet"
        return None, [Finding(where=key, problem=problem, remedy="Make one, or name another network")]
    return (
        ExistingNetwork(id=network.id, subnet_id=subnet.id, subnet_cidr=subnet.cidr, mtu=network.mtu),
        [],
    )


def _image_fits(image: Any, flavors: Mapping[str, Flavor], request: CloudRequest) -> list[Finding]:
    findings = []
    for key, name in request.flavors.items():
        flavor = flavors.get(name)
        if flavor is None:
            continue
        needs = [("memory", flavor.memory_mb, image.min_ram or 0, "MB")]
        # A flavor with a disk of 0 takes the size of the image.
        if flavor.disk_gb:
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
    return findings


def look_up(request: CloudRequest, connect: Callable[[str | None], Any] = _connect) -> CloudFacts:
    """Resolve every name of the request; raises ``UserError`` with all that is missing or does not fit."""
    connection = connect(request.cloud)
    _authorize(connection, request.cloud)
    try:
        with ThreadPoolExecutor(max_workers=4) as pool:
            image_attempt = pool.submit(_find_image, connection, *request.image)
            flavors_attempt = pool.submit(_find_flavors, connection, request.flavors)
            external_attempt = pool.submit(_find_external_network, connection, *request.external_network)
            network_attempt = (
                pool.submit(_find_network, connection, *request.network) if request.network else None
            )
            image, findings = image_attempt.result()
            flavors, more = flavors_attempt.result()
            external_network_id, still_more = external_attempt.result()
            network, rest = network_attempt.result() if network_attempt else (None, [])
    except (sdk.SDKException, auth.ClientException) as error:
        remedy = "Wait and run it again; `openstack catalog list` shows where this machine must reach"
        problem = f"one of the cloud's services does not answer ({_reason(error)})"
        raise UserError([Finding(where="cloud", problem=problem, remedy=remedy)]) from None
    findings = findings + more + still_more + rest
    if image is not None and flavors is not None:
        findings += _image_fits(image, flavors, request)
    if findings or image is None or flavors is None or external_network_id is None:
        raise UserError(findings)
    return CloudFacts(
        project_name=os.environ.get("OS_PROJECT_NAME") or connection.current_project.name or "",
        image_id=image.id,
        flavors={name: flavors[name] for name in request.flavors.values()},
        external_network_id=external_network_id,
        network=network,
    )


def open_connection(cloud: str | None) -> Any:
    """Connect to the cloud and see that it lets us in. Raises ``UserError``."""
    connection = _connect(cloud)
    _authorize(connection, cloud)
    return connection
