"""Room, credentials, seats and cost: what is counted, and how each failure reads."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from swarmhub.facts import (
    CertificateFacts,
    Credentials,
    ExistingNetwork,
    ExistingVolume,
    Flavor,
    ProjectContents,
    Survey,
    Usage,
)
from swarmhub.plan import Plan
from swarmhub.preflight import QUOTAS, Report, check, still_to_make
from tests.support.stacks import FLAVOR, dev_plan, facts

NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.UTC)
LARGE = Flavor(id="m3.large-id", name="m3.large", vcpus=16, memory_mb=61440, disk_gb=60)
ROOMY = {name: Usage(limit=None, used=0) for name in QUOTAS}
PASSWORD = Credentials(user_name="ada", project_name="demo", kind="password")


def examined(
    project: ProjectContents = ProjectContents(quotas=ROOMY),  # noqa: B008
    credentials: Credentials = PASSWORD,
    volumes: Mapping[str, ExistingVolume] | None = None,
    certificate: CertificateFacts | None = None,
    **changes: Any,
) -> Report:
    known: dict[str, Any] = {"flavors": {"s1.large": FLAVOR, "m3.large": LARGE}}
    survey = Survey(
        facts=facts(**known), findings=(), warnings=(), passed=(), project=project, credentials=credentials
    )
    return check(dev_plan(known=known, volumes=volumes, **changes), survey, NOW, certificate)


def with_quotas(**usages: Usage) -> ProjectContents:
    return ProjectContents(quotas=ROOMY | usages)


def test_a_sound_stack_passes_and_says_what_was_looked_at() -> None:
    report = examined()
    assert report.failures == report.warnings == ()
    assert "credentials: ada in project demo, by password" in report.passed
    assert "quota of CPUs: 4 more needed, no limit" in report.passed
    assert "seats: 1 x s1.large seat 2 (2 each, 0.5 GB a server)" in report.passed


def test_every_quota_that_is_too_small_is_said_at_once() -> None:
    report = examined(
        with_quotas(
            instances=Usage(limit=10, used=9),
            cores=Usage(limit=20, used=18),
            floating_ips=Usage(limit=1, used=1),
            routers=Usage(limit=1, used=2),
        )
    )
    assert [str(failure) for failure in report.failures] == [
        (
            "quota of instances: 2 more are needed, and 1 of 10 are free. "
            "Ask the cloud's operators for more, or lower machines.worker.count."
        ),
        (
            "quota of CPUs: 4 more are needed, and 2 of 20 are free. Ask the cloud's operators for more, "
            "lower machines.worker.count, or choose smaller flavors."
        ),
        (
            "quota of routers: 1 more are needed, and 0 of 1 are free. "
            "Set site.router to an existing router or site.network to an existing network."
        ),
        (
            "quota of floating IPs: 1 more are needed, and 0 of 1 are free. "
            "Release one that is not needed, or set site.public_address to one that the project has."
        ),
    ]


def everything_made() -> ProjectContents:
    prefix = "swarmhub-dev"
    machines = {f"{prefix}-manager", f"{prefix}-worker-1"}
    return ProjectContents(
        servers=dict.fromkeys(machines, FLAVOR),
        volumes_gb={f"{prefix}-data": 2, f"{prefix}-state": 1},
        rules={
            f"{prefix}-network-members": 8,
            f"{prefix}-network-entrance": 5,
            f"{prefix}-network-homes": 3,
        },
        ports=frozenset(machines),
        networks=frozenset({f"{prefix}-network"}),
        subnets=frozenset({f"{prefix}-network-subnet"}),
        routers=frozenset({f"{prefix}-network-router"}),
        addresses=frozenset({f"{prefix}-network-address"}),
    )


def failures(where: str = "", **changes: Any) -> str:
    """The failures that name such a key."""
    report = examined(**changes)
    return "\n".join(str(each) for each in report.failures if each.where.startswith(where))


def test_a_network_has_room_for_its_machines() -> None:
    assert failures(site__subnet_cidr="10.20.0.0/28", machines__worker__count=10) == ""
    assert failures(site__subnet_cidr="10.20.0.0/28", machines__worker__count=11) == (
        "site.subnet_cidr: 10.20.0.0/28 has room for 11 machines, and there are 12. "
        "Make it larger; on a stack that is up, that replaces the machines."
    )


def test_the_overlay_has_room_for_its_people() -> None:
    machines = {"manager": "m3.large", "worker": {"flavor": "m3.large", "count": 200}}
    assert failures("site.overlay", machines=machines, workshop__users=615) == ""
    assert failures(
        "site.overlay", machines=machines, site__overlay_cidr="10.80.0.0/22", workshop__users=616
    ) == (
        "site.overlay_cidr: 10.80.0.0/22 has addresses for 615 servers beside the hub's own and those of "
        "200 workers, and workshop.users is 616. Make it larger, such as 10.80.0.0/16."
    )


def test_more_workers_than_a_hub_serves_are_refused_however_they_were_reckoned() -> None:
    machines = {"manager": "m3.large", "worker": {"flavor": "s1.large"}}
    assert failures("workshop", machines=machines, workshop__users=500) == (
        "workshop.users: it takes 250 workers, and one hub serves 200 at most. "
        "Choose a larger machines.worker.flavor, or make several stacks."
    )


def test_an_overlay_that_overlaps_a_network_that_is_there_is_refused() -> None:
    network = ExistingNetwork(id="n", subnet_id="s", subnet_cidr="10.80.8.0/24", mtu=1500)
    assert failures(network=network, site__network="campus") == (
        "site.overlay_cidr: 10.80.0.0/20 overlaps the machines' network, 10.80.8.0/24. Machines and "
        "containers have addresses of different networks. Give one that nobody there has, "
        "such as 172.30.0.0/20."
    )


def test_a_second_up_needs_nothing_more() -> None:
    needs = still_to_make(dev_plan(), {"s1.large": FLAVOR}, everything_made())
    assert set(needs.values()) == {0}


def test_a_full_project_does_not_stop_a_stack_that_is_there() -> None:
    full = dict.fromkeys(ROOMY, Usage(limit=3, used=3))
    assert examined(replace(everything_made(), quotas=full)).failures == ()


def test_only_what_a_larger_stack_lacks_is_counted() -> None:
    plan = dev_plan(machines__worker__count=3, storage__size_gb=10)
    needs = still_to_make(plan, {"s1.large": FLAVOR}, everything_made())
    assert {name: needed for name, needed in needs.items() if needed} == {
        "instances": 2,
        "cores": 4,
        "memory_mb": 4096,
        "ports": 2,
        "volume_gb": 8,
    }


def test_a_storage_machine_and_its_group_are_counted() -> None:
    needs = still_to_make(dev_plan(machines__storage="s1.large"), {"s1.large": FLAVOR}, everything_made())
    assert {name: needed for name, needed in needs.items() if needed} == {
        "instances": 1,
        "cores": 2,
        "memory_mb": 2048,
        "ports": 1,
        "security_group_rules": 2,
    }


def kept(size_gb: int, *, attached: bool) -> dict[str, ExistingVolume]:
    return {"swarmhub-dev-data": ExistingVolume(id="data-id", size_gb=size_gb, attached=attached)}


@pytest.mark.parametrize("attached", [False, True])
def test_a_volume_never_shrinks(attached: bool) -> None:
    [failure] = examined(volumes=kept(3, attached=attached)).failures
    assert str(failure) == (
        "storage.size_gb: the volume swarmhub-dev-data has 3 GB and cannot shrink to 2 GB. "
        "A volume only grows. Set storage.size_gb to at least 3."
    )


def test_a_kept_volume_that_is_too_small_is_a_warning() -> None:
    [warning] = examined(volumes=kept(2, attached=False), storage__size_gb=5).warnings
    assert str(warning) == (
        "storage.size_gb: the volume swarmhub-dev-data was kept by an earlier destroy and is taken up with "
        "its 2 GB. Run pulumi up once more to grow it to 5 GB."
    )
    assert examined(volumes=kept(2, attached=True), storage__size_gb=5).warnings == ()
    assert examined(volumes=kept(2, attached=False)).warnings == ()


@pytest.mark.parametrize(
    ("servers", "flavor", "holder", "change"),
    [
        (["swarmhub-dev-manager", "swarmhub-dev-storage"], None, "storage machine", "Set"),
        (["swarmhub-dev-manager"], "s1.large", "manager", "Remove"),
    ],
)
def test_homes_in_use_do_not_move_to_another_machine(
    servers: list[str], flavor: str | None, holder: str, change: str
) -> None:
    project = ProjectContents(quotas=ROOMY, servers=dict.fromkeys(servers, FLAVOR))

    def failures(*, attached: bool, storage: str | None = flavor) -> list[str]:
        volumes = kept(2, attached=attached)
        return [str(each) for each in examined(project, volumes=volumes, machines__storage=storage).failures]

    [failure] = failures(attached=True)
    assert failure == (
        f"machines.storage: the volume swarmhub-dev-data is in use on the {holder}. Homes move between the "
        f"manager and a storage machine only while the stack is down. {change} machines.storage as before; "
        "or, with storage.keep_after_destroy true at the last up, run pulumi destroy, then pulumi up."
    )
    assert failures(attached=False) == []
    assert failures(attached=True, storage=None if flavor else "s1.large") == []


def test_a_larger_flavor_counts_by_its_difference() -> None:
    known = {"flavors": {"s1.large": FLAVOR, "m3.large": LARGE}}
    plan = dev_plan(known=known, machines__worker__flavor="m3.large")
    needs = still_to_make(plan, known["flavors"], everything_made())
    assert (needs["instances"], needs["cores"]) == (0, LARGE.vcpus - FLAVOR.vcpus)


def test_quotas_that_the_cloud_keeps_to_itself_are_a_warning() -> None:
    quotas = {name: usage for name, usage in ROOMY.items() if name not in ("ports", "routers")}
    [warning] = examined(ProjectContents(quotas=quotas)).warnings
    assert str(warning) == (
        "quotas: the cloud keeps them to itself for routers, ports. Look at its web pages."
    )


def application_credential(days: float) -> Credentials:
    return replace(
        PASSWORD, kind="application credential spring", expires_at=NOW + datetime.timedelta(days=days)
    )


def test_a_credential_that_ends_before_the_workshop_is_refused() -> None:
    report = examined(credentials=application_credential(3), workshop__ends="2027-03-05")
    assert [str(failure) for failure in report.failures] == [
        (
            "credentials: the application credential spring expires on 2027-03-04, and the workshop ends on "
            "2027-03-05. Changing and destroying the stack needs them. "
            "Make one that lasts longer, and put it into clouds.yaml or the OS_* variables."
        )
    ]


@pytest.mark.parametrize(("days", "warnings"), [(3, 1), (30, 0)])
def test_a_credential_that_ends_soon_is_a_warning(days: float, warnings: int) -> None:
    assert len(examined(credentials=application_credential(days)).warnings) == warnings


def test_workers_follow_from_people() -> None:
    report = examined(machines__worker={"flavor": "m3.large"}, workshop__users=60, limits__memory_gb=2)
    assert report.seats == 84
    assert "seats: 3 x m3.large seat 84 (28 each, 2 GB a server)" in report.passed


def test_people_without_seats_are_refused_with_the_arithmetic() -> None:
    report = examined(
        machines__worker={"flavor": "m3.large", "count": 2}, workshop__users=60, limits__memory_gb=2
    )
    assert [str(failure) for failure in report.failures] == [
        (
            "workshop.users: 60 people do not fit on 2 x m3.large, which seat 56. "
            "Set machines.worker.count to 3, or remove it; or lower limits.memory_gb."
        )
    ]


def test_a_worker_that_seats_nobody_is_refused() -> None:
    [failure] = examined(limits__memory_gb=2).failures
    assert str(failure) == (
        "limits.memory_gb: a s1.large of 2048 MB seats no server of 2 GB. "
        "Choose a larger machines.worker.flavor, or lower limits.memory_gb."
    )


def test_twice_the_machines_that_people_need_is_a_warning() -> None:
    worker = {"flavor": "m3.large", "count": 6}
    report = examined(machines__worker=worker, workshop__users=60, limits__memory_gb=1)
    assert (
        "machines.worker.count: 6 x m3.large seat 342, and workshop.users is 60. "
        "machines.worker.count: 2 would do."
    ) in [str(warning) for warning in report.warnings]


def test_what_people_outgrow_is_a_warning() -> None:
    report = examined(machines__worker={"flavor": "m3.large"}, workshop__users=60)
    assert [str(warning) for warning in report.warnings] == [
        (
            "storage.size_gb: 60 homes of 0.1 GB hold 6 GB when they are full, and the volume has 2 GB. "
            "Set it to 8, or remove it; or lower storage.home_quota_gb."
        ),
        (
            "machines.manager: s1.large has 2048 MB of memory, and for 60 people 4 CPUs and 8 GB are "
            "advised. Choose a larger flavor."
        ),
    ]


MEDIUM = Flavor(id="m3.medium-id", name="m3.medium", vcpus=8, memory_mb=30720, disk_gb=60)


def chosen(users: int, **known: Any) -> tuple[Report, Plan]:
    """A stack that says of its workers and its volume only for how many people they are."""
    facts_known = {"flavors": {"s1.large": FLAVOR}, "offered": (FLAVOR, MEDIUM, LARGE), **known}
    plan = dev_plan(
        known=facts_known,
        machines__worker=None,
        workshop__users=users,
        limits__memory_gb=2,
        storage={"home_quota_gb": 5},
    )
    survey = Survey(
        facts=facts(**facts_known),
        findings=(),
        warnings=(),
        passed=(),
        project=ProjectContents(quotas=ROOMY),
        credentials=PASSWORD,
    )
    return check(plan, survey, NOW), plan


def test_people_alone_choose_workers_and_the_volumes_size() -> None:
    report, plan = chosen(60)
    assert report.failures == ()
    assert [worker.flavor_id for worker in plan.workers] == ["m3.medium-id"] * 5
    assert plan.data is not None
    assert plan.data.size_gb == 331
    assert {
        "machines.worker: chosen for 60 people: 5 x m3.medium (8 CPUs, 30720 MB)",
        "storage.size_gb: reckoned: 60 x 5 GB + 10 % + 1 GB: 331",
        "seats: 5 x m3.medium seat 70 (14 each, 2 GB a server)",
    } <= set(report.passed)


def test_workers_that_are_there_keep_their_flavor_and_grow_in_number() -> None:
    _, plan = chosen(60, first_worker="m3.large")
    assert [worker.flavor_id for worker in plan.workers] == ["m3.large-id"] * 3
    _, more = chosen(100, first_worker="m3.large")
    assert [worker.flavor_id for worker in more.workers] == ["m3.large-id"] * 4


def test_fewer_people_do_not_shrink_the_volume() -> None:
    there = ExistingVolume(id="data-id", size_gb=331, attached=True)
    report, plan = chosen(10, volumes={"swarmhub-dev-data": there})
    assert plan.data is not None
    assert (plan.data.size_gb, plan.data.grows, report.failures) == (331, False, ())


def test_without_a_flavor_that_seats_anybody_nothing_is_chosen() -> None:
    report, _ = chosen(60, offered=(FLAVOR,))
    assert [str(failure) for failure in report.failures] == [
        (
            "machines.worker.flavor: no flavor of the cloud that the image fits seats a server of 2 GB. "
            "Lower limits.memory_gb, or set site.boot_volume where flavors have no disk."
        )
    ]


def test_the_cost_runs_to_the_end_of_the_last_day() -> None:
    price = {"unit": "SU", "per_vcpu_hour": 1}
    cost = examined(machines__worker__flavor="m3.large", site__price=price, workshop__ends="2027-03-05").cost
    assert cost is not None
    # 2 + 16 CPUs; from noon of the first to midnight after the fifth.
    assert (cost.per_hour, cost.total) == (18, 18 * (12 + 4 * 24))
    assert str(cost) == "18 SU per hour, 1,944 SU from now to the end of 2027-03-05"


def test_a_flavor_has_a_price_of_its_own_or_is_named() -> None:
    price = {"unit": "EUR", "per_flavor_hour": {"m3.large": 0.5}}
    cost = examined(machines__worker__flavor="m3.large", site__price=price).cost
    assert str(cost) == "0.5 EUR per hour (without s1.large, whose price the stack file does not say)"


def test_a_workshop_that_is_over_is_a_warning() -> None:
    [warning] = examined(workshop__ends="2027-02-01").warnings
    assert str(warning) == (
        "workshop.ends: 2027-02-01 is over. Set it to the last day, or end the workshop: pulumi destroy."
    )


FILES = {"issuer": "files", "certificate_file": "hub.pem", "key_file": "hub.key"}
SOUND = CertificateFacts(
    names=("hub.example.org",),
    begins=NOW - datetime.timedelta(days=30),
    ends=NOW + datetime.timedelta(days=60),
)


def with_files(certificate: CertificateFacts, domain: str = "hub.example.org", **changes: Any) -> Report:
    return examined(certificate=certificate, hub__domain=domain, tls=FILES, **changes)


def test_a_certificate_from_files_that_fits_passes() -> None:
    report = with_files(SOUND)
    assert report.failures == report.warnings == ()
    assert "certificate: from files, for hub.example.org, until 2027-04-30" in report.passed


def test_a_wildcard_covers_a_name_made_of_the_address() -> None:
    wildcard = replace(SOUND, names=("*.example.org",))
    assert with_files(wildcard, "hub-{address}.example.org").failures == ()
    assert with_files(wildcard, "hub.{address}.example.org").failures != ()


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        (
            replace(SOUND, names=("www.example.org", "192.0.2.1")),
            (
                "the certificate is for www.example.org, 192.0.2.1, and does not cover hub.example.org. "
                "Get one that does."
            ),
        ),
        (replace(SOUND, ends=NOW), "the certificate expired on 2027-03-01. Get a new one."),
        (
            replace(SOUND, begins=NOW + datetime.timedelta(hours=1)),
            "the certificate is not valid before 2027-03-01 13:00 UTC. Wait.",
        ),
    ],
    ids=["other names", "expired", "not yet"],
)
def test_a_certificate_from_files_that_does_not_fit_is_refused(
    certificate: CertificateFacts, sentence: str
) -> None:
    assert [str(each) for each in with_files(certificate).failures] == [f"tls.certificate_file: {sentence}"]


def test_a_certificate_that_ends_before_the_workshop_is_a_warning() -> None:
    report = with_files(SOUND, workshop__ends="2027-05-01")
    assert [str(each) for each in report.warnings] == [
        (
            "tls.certificate_file: the certificate expires on 2027-04-30, "
            "and the workshop ends on 2027-05-01. Get a new one before, and run pulumi up with it."
        )
    ]


def test_without_a_certificate_a_warning_says_what_that_means() -> None:
    report = examined(tls={"issuer": "none"})
    assert report.failures == ()
    assert [str(each) for each in report.warnings] == [
        (
            "tls.issuer: without a certificate, passwords and all that students write travel in clear. "
            "Set it to letsencrypt for more than a try on a network that you trust."
        )
    ]


def test_a_certificate_from_files_of_a_hub_without_a_name_is_for_an_address_that_is_known() -> None:
    of_address = replace(SOUND, names=("192.0.2.53",))
    assert with_files(of_address, "address", site__public_address="192.0.2.53").failures == ()
    assert [str(each) for each in with_files(of_address, "address").failures] == [
        (
            "tls.certificate_file: the hub has no name, and which address it will have is not known before "
            "it is made. Set hub.domain, or site.public_address to a floating IP you have."
        )
    ]


def test_an_automatic_name_that_a_certificate_cannot_hold_is_refused() -> None:
    domain = "{instance}.{project}.projects.a-large-university.example.org"
    name = "swarmhub-dev-manager.demo.projects.a-large-university.example.org"
    assert [str(each) for each in examined(hub__domain=domain).failures] == [
        (
            f"hub.domain: '{domain}' becomes '{name}', which can be 65 characters long. "
            "With tls.issuer: acme it has at most 64. Choose a shorter name."
        )
    ]


def test_with_subdomains_the_certificate_covers_them_too() -> None:
    both = replace(SOUND, names=("hub.example.org", "*.hub.example.org"))
    assert with_files(both, hub__subdomains=True).failures == ()
    assert [str(each) for each in with_files(SOUND, hub__subdomains=True).failures] == [
        (
            "tls.certificate_file: the certificate is for hub.example.org, and does not cover "
            "*.hub.example.org. Get one that does."
        )
    ]


def test_certificates_that_are_few_and_thrown_away_are_a_warning() -> None:
    few = {"issuer": "letsencrypt", "email": "ada@example.org"}
    assert examined(tls=few, storage__keep_after_destroy=True).warnings == ()
    assert [str(each) for each in examined(tls=few).warnings] == [
        (
            "storage.keep_after_destroy: every destroy deletes the certificate, and letsencrypt gives five a "
            "week for a name. Keep the volumes, or set tls.issuer to letsencrypt-staging while you try."
        )
    ]
