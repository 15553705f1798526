"""What is done once for a new data directory: databases, identities, the compute host."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rehearsal import inside
from rehearsal.api import Session
from rehearsal.host import run
from rehearsal.services import CATALOGUE, DNS_CATALOGUE, KEYSTONE_PORT

DATABASES = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron", "cinder")
PARALLEL_JOBS = 2
ENDPOINT_INTERFACES = ("public", "internal", "admin")


def _settings(*path: str) -> str:
    return f"--config-file={inside.SETTINGS.joinpath(*path)}"


def make_database_server() -> None:
    """Make the files of the database server."""
    defaults = f"--defaults-file={inside.SETTINGS}/mariadb.cnf"
    options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--user=root")
    run(["mariadb-install-db", defaults, *options], log=inside.LOGS / "initialise-mariadb.log")


def _make_databases(*names: str) -> None:
    statements = "".join(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;" for name in names)
    run(["mariadb", "-uroot", "-S", inside.DATA / "mysql.sock"], input_text=statements)


def fill_databases(admin_password: str, address: str) -> None:
    """Make every service's tables, the message keys and the administrator."""
    _make_databases(*DATABASES)
    socket = inside.DATA / "mysql.sock"
    cell0 = f"mysql+pymysql://root@localhost/nova_cell0?unix_socket={socket}&charset=utf8"
    keystone = ("keystone-manage", _settings("keystone", "keystone.conf"))
    nova = ("nova-manage", _settings("nova.conf"))
    urls = [
        word
        for interface in ENDPOINT_INTERFACES
        for word in (f"--bootstrap-{interface}-url", f"http://{address}:{KEYSTONE_PORT}/v3")
    ]
    jobs: dict[str, list[tuple[str, ...]]] = {
        "nova": [
            (*nova, "api_db", "sync"),
            (*nova, "cell_v2", "map_cell0", "--database_connection", cell0),
            (*nova, "db", "sync"),
            (*nova, "cell_v2", "create_cell", "--name", "cell1"),
        ],
        "neutron": [("neutron-db-manage", _settings("neutron.conf"), "upgrade", "heads")],
        "keystone": [
            (*keystone, "db_sync"),
            (*keystone, "fernet_setup", "--keystone-user", "root", "--keystone-group", "root"),
            (*keystone, "bootstrap", "--bootstrap-region-id", inside.REGION, *urls),
        ],
        "cinder": [("cinder-manage", _settings("cinder.conf"), "db", "sync")],
        "glance": [("glance-manage", _settings("glance.conf"), "db_sync")],
        "placement": [("placement-manage", _settings("placement", "placement.conf"), "db", "sync")],
    }

    def do(service: str) -> None:
        for command in jobs[service]:
            # The administrator's password goes by the environment, out of the process list.
            environment = {"OS_BOOTSTRAP_PASSWORD": admin_password} if "bootstrap" in command else {}
            run(command, log=inside.LOGS / f"initialise-{service}.log", environment=environment)

    with ThreadPoolExecutor(PARALLEL_JOBS) as pool:
        list(pool.map(do, jobs))


def _create(session: Session, kind: str, **fields: str) -> str:
    answer = session.post(KEYSTONE_PORT, f"/v3/{kind}s", {kind: fields})
    return str(answer[kind]["id"])


def _add_to_catalogue(session: Session, entries: Sequence[tuple[str, str, int, str]]) -> None:
    for name, kind, port, path in entries:
        service = _create(session, "service", name=name, type=kind)
        for interface in ENDPOINT_INTERFACES:
            url = f"http://{session.address}:{port}{path}"
            fields = {"interface": interface, "region_id": inside.REGION, "service_id": service, "url": url}
            _create(session, "endpoint", **fields)


def make_identities(session: Session, passwords: dict[str, str]) -> None:
    """Make the service user, the catalogue and the ordinary projects."""
    roles = {role["name"]: role["id"] for role in session.get(KEYSTONE_PORT, "/v3/roles")["roles"]}
    if "service" not in roles:
        roles["service"] = _create(session, "role", name="service")

    def create_project(name: str, *role_names: str) -> None:
        project = _create(session, "project", name=name, domain_id="default")
        user = _create(session, "user", name=name, domain_id="default", password=passwords[name])
        for role in role_names:
            session.put(KEYSTONE_PORT, f"/v3/projects/{project}/users/{user}/roles/{roles[role]}")

    create_project("service", "admin", "service")
    for name in inside.PROJECTS:
        create_project(name, "member")
    _add_to_catalogue(session, CATALOGUE)


def fill_dns_database() -> None:
    """Make the tables of the DNS service."""
    _make_databases("designate")
    manage = ("designate-manage", _settings("designate.conf"), "database", "sync")
    run(manage, log=inside.LOGS / "initialise-designate.log")


def make_dns_pool() -> None:
    """Tell the DNS service, which must run, of its name server."""
    manage = ("designate-manage", _settings("designate.conf"), "pool", "update")
    pools = f"--file={inside.SETTINGS / 'pools.yaml'}"
    run([*manage, pools], log=inside.LOGS / "initialise-designate.log")


def show_dns(session: Session, *, runs: bool) -> None:
    """Have the DNS service in the catalogue if it runs: clients ask whatever stands there."""
    listed = session.get(KEYSTONE_PORT, "/v3/services?type=dns")["services"]
    if runs and not listed:
        _add_to_catalogue(session, DNS_CATALOGUE)
    for service in [] if runs else listed:
        session.delete(KEYSTONE_PORT, f"/v3/services/{service['id']}")


def map_compute_host(log: Path) -> None:
    """Make the compute service known to Nova's cell."""
    run(["nova-manage", _settings("nova.conf"), "cell_v2", "discover_hosts"], log=log)
