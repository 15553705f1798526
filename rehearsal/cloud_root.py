"""The root file system the cloud's services run in: which packages, and how it is built."""

from __future__ import annotations

from rehearsal import paths
from rehearsal.rootfs import Root, RootSpec, build_root

OPENSTACK_PACKAGES = (
    "keystone",
    "glance-api",
    "placement-api",
    "nova-api",
    "nova-conductor",
    "nova-scheduler",
    "nova-compute",
    "nova-compute-kvm",  # nova-compute-qemu would pull every qemu-system-*
    "neutron-server",
    "neutron-linuxbridge-agent",
    "neutron-dhcp-agent",
    "neutron-l3-agent",
    "neutron-metadata-agent",
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
    "python3-openstackclient",
)
# The DNS service, which runs only when it is asked for, and the name server that it writes to.
DNS_PACKAGES = ("designate-common", "bind9")
BACKING_PACKAGES = (
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "uwsgi",
    "uwsgi-plugin-python3",
    "libvirt-daemon-system",
    "libvirt-clients",
    "genisoimage",
)
# For the machine's side of the network, for building guests, and to fetch the ACME server's compiler.
TOOL_PACKAGES = (
    "iptables",
    "dnsmasq-base",
    "qemu-utils",
    "openssl",
    "openssh-client",
    "curl",
    "python3-pip",
)
# Measured side by side, QEMU 10 starts processes in 0.4 and containers in 0.7 of the time of Debian 12's 7.2.
BACKPORTS = ("qemu", "seabios")
CLOUD_ROOT = RootSpec(
    directory=paths.CLOUD_ROOT,
    packages=OPENSTACK_PACKAGES + DNS_PACKAGES + BACKING_PACKAGES + TOOL_PACKAGES,
    backports=BACKPORTS,
)


def build() -> bool:
    """Build the cloud's root file system unless it is current; return whether anything was done."""

    def say_what_is_there(root: Root) -> None:
        root.run(["nova-manage", "--version"], log=log)

    log = paths.LOGS / "install.log"
    return build_root(CLOUD_ROOT, title="cloud root", log=log, finish=say_what_is_there)
