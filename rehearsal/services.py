"""The services of the cloud: their configuration, their commands, and what each waits for."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal import inside

TEMPLATES = Path(__file__).with_name("etc")
# These read one file each, which begins with what they have in common.
WITH_COMMON_SETTINGS = ("glance", "placement", "nova", "neutron", "cinder", "designate")
# Where a program looks for its file is its own affair; all others lie in inside.SETTINGS.
PLACES = {
    "keystone.conf": "keystone/keystone.conf",
    "placement.conf": "placement/placement.conf",
    "libvirtd.conf": "libvirt/libvirtd.conf",
    "qemu.conf": "libvirt/qemu.conf",
}
SUFFIXES = {".conf", ".cnf", ".key", ".yaml"}
EMULATOR_WRAPPER = "qemu-system-x86_64.sh"

KEYSTONE_PORT = 5000
# The catalogue: name, type, port, path.
CATALOGUE = (
    ("glance", "image", 9292, ""),
    ("placement", "placement", 8778, ""),
    ("nova", "compute", 8774, "/v2.1"),
    ("neutron", "network", 9696, ""),
    ("cinderv3", "volumev3", 8776, "/v3/%(project_id)s"),
    ("cinder", "block-storage", 8776, "/v3/%(project_id)s"),
)
DNS_CATALOGUE = (("designate", "dns", 9001, ""),)
API_PORTS = {"nova-metadata": 8775, **{name: port for name, _, port, _ in CATALOGUE}}

NEUTRON_QUEUES = ("q-plugin", "q-l3-plugin", "q-reports-plugin", "q-server-resource-versions")
NOVA_QUEUES = ("conductor",)
DESIGNATE_QUEUES = ("central",)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program the supervisor keeps running; its output goes to the log of the same name.

    ``queues`` are message queues that must have a consumer first: a message sent before is lost, and its
    sender sits out the whole timeout.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[str, ...] = ()


def _fill_in(name: str, values: Mapping[str, str]) -> str:
    return string.Template((TEMPLATES / name).read_text()).substitute(values)


def render(name: str, values: Mapping[str, str]) -> str:
    """Fill in a configuration template; raises KeyError for a name without a value."""
    credentials = _fill_in("service-credentials.ini", values).rstrip()
    values = {**values, "service_credentials": credentials}
    common = _fill_in("common.conf", values) + "\n" if Path(name).stem in WITH_COMMON_SETTINGS else ""
    return common + _fill_in(name, values)


def write_settings(directory: Path, values: Mapping[str, str]) -> None:
    """Write every configuration file, readable by root only."""
    for template in sorted(TEMPLATES.iterdir()):
        if template.suffix not in SUFFIXES or template.name == "common.conf":
            continue
        file = directory / PLACES.get(template.name, template.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_text(render(template.name, values))


def _files(*names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("--config-file", str(inside.SETTINGS / name)))


def _wsgi(name: str, port: int, script: str, **environment: str) -> Service:
    options = {
        "http-socket": f"0.0.0.0:{port}",
        "wsgi-file": script,
        "processes": "1",
        "threads": "4",
        "buffer-size": "65535",
        "socket-timeout": "90",
        "listen": "100",
        # uwsgi closes a kept connection without a word, on which clients fail now and then.
        "add-header": "Connection: close",
        "procname": f"uwsgi-{name}",
    }
    switches = ("master", "enable-threads", "lazy-apps", "die-on-term", "need-app", "disable-logging")
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    return Service(
        name=name,
        command=("uwsgi_python3", *words, *(f"--{switch}" for switch in switches)),
        environment=environment,
    )


def backing_services() -> tuple[Service, ...]:
    """Return what OpenStack stands on."""
    rabbit = {
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "RABBITMQ_MNESIA_BASE": str(inside.DATA / "rabbitmq/mnesia"),
        "RABBITMQ_LOG_BASE": str(inside.LOGS / "rabbitmq"),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(inside.DATA / "rabbitmq/enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_PID_FILE": str(inside.DATA / "rabbitmq/pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "HOME": str(inside.DATA / "rabbitmq"),
    }
    return (
        Service(name="mariadb", command=("mariadbd", f"--defaults-file={inside.SETTINGS}/mariadb.cnf")),
        Service(name="rabbitmq", command=("/usr/lib/rabbitmq/bin/rabbitmq-server",), environment=rabbit),
        Service(name="memcached", command=("memcached", "-u", "root", "-l", "127.0.0.1", "-m", "64")),
        Service(name="libvirtd", command=("libvirtd", "-f", "/etc/libvirt/libvirtd.conf")),
    )


def keystone() -> Service:
    """Return the identity service, which the others register with."""
    settings = str(inside.SETTINGS / "keystone")
    script = "/usr/bin/keystone-wsgi-public"
    return _wsgi("keystone", KEYSTONE_PORT, script, OS_KEYSTONE_CONFIG_DIR=settings)


def pebble(settings: Path, name_server: str) -> Service:
    """Return the ACME server."""
    command = (str(inside.ARTIFACTS / "pebble"), "-config", str(settings), "-dnsserver", f"{name_server}:53")
    return Service(name="pebble", command=command, environment={"PEBBLE_VA_NOSLEEP": "1"})


def openstack_services() -> tuple[Service, ...]:
    """Return everything else, in the order of starting."""
    nova, neutron, cinder = _files("nova.conf"), _files("neutron.conf"), _files("cinder.conf")
    agents = _files("neutron.conf", "neutron-agents.conf")
    placement = str(inside.SETTINGS / "placement")
    driver = {"PYTHONPATH": str(inside.CODE / "rehearsal/cinder")}
    compute = {"PYTHONPATH": str(inside.CODE / "rehearsal/nova")}
    bridge = {"PYTHONPATH": str(inside.CODE / "rehearsal/neutron")}
    return (
        Service(name="neutron-server", command=("neutron-server", *neutron)),
        Service(name="nova-conductor", command=("nova-conductor", *nova)),
        _wsgi("placement", 8778, "/usr/bin/placement-api", OS_PLACEMENT_CONFIG_DIR=placement),
        Service(name="nova-api", command=("nova-api", *nova)),
        Service(name="cinder-volume", command=("cinder-volume", *cinder), environment=driver),
        Service(
            name="nova-compute",
            command=("python3", "-m", "swarmhub_nova.compute", *nova),
            environment=compute,
            queues=NOVA_QUEUES,
        ),
        Service(name="nova-scheduler", command=("nova-scheduler", *nova), queues=NOVA_QUEUES),
        Service(name="glance-api", command=("glance-api", *_files("glance.conf"))),
        Service(name="cinder-api", command=("cinder-api", *cinder)),
        Service(name="cinder-scheduler", command=("cinder-scheduler", *cinder)),
        Service(
            name="neutron-linuxbridge",
            command=("python3", "-m", "swarmhub_neutron.linuxbridge", *agents),
            environment=bridge,
            queues=NEUTRON_QUEUES,
        ),
        Service(name="neutron-l3", command=("neutron-l3-agent", *agents), queues=NEUTRON_QUEUES),
        Service(name="neutron-dhcp", command=("neutron-dhcp-agent", *agents), queues=NEUTRON_QUEUES),
        Service(name="neutron-metadata", command=("neutron-metadata-agent", *agents), queues=NEUTRON_QUEUES),
    )


def _designate(name: str, *queues: str) -> Service:
    program = f"designate-{name}"
    return Service(name=program, command=(program, *_files("designate.conf")), queues=queues)


def dns_backing_services() -> tuple[Service, ...]:
    """Return what the rest of the DNS service asks: its name server, and who keeps its database."""
    named = ("named", "-f", "-u", "root", "-c", str(inside.SETTINGS / "named.conf"))
    return Service(name="named", command=named), _designate("central")


def dns_services() -> tuple[Service, ...]:
    """Return everything else of it, in the order of starting."""
    return tuple(_designate(name, *DESIGNATE_QUEUES) for name in ("worker", "producer", "mdns", "api"))
