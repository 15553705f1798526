"""Rendered texts: golden files, and that what reads them can parse them."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmhub import text
from swarmhub.plan import Role
from swarmhub.text.ssh import SHARED_CONNECTION_SECONDS
from tests.support.stacks import dev_plan

Golden = Callable[[str, str], None]
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nbase64\n-----END OPENSSH PRIVATE KEY-----\n"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"


def test_sessions_with_one_machine_share_a_connection() -> None:
    options = text.sharing_options("/home/ada/100%/.state/ssh/dev", PUBLIC_KEY)
    asked = subprocess.run(["ssh", "-G", *options, "10.0.0.1"], capture_output=True, text=True, check=True)
    [path] = re.findall(r"^controlpath (.*)$", asked.stdout, re.MULTILINE)
    assert re.fullmatch(r"/home/ada/100%/\.state/ssh/dev/swarmhub-[0-9a-f]{8}", path)
    assert "controlmaster auto" in asked.stdout
    assert f"controlpersist {SHARED_CONNECTION_SECONDS}" in asked.stdout
    other = text.sharing_options("/home/ada/100%/.state/ssh/dev", PUBLIC_KEY + "x")
    assert other[-1] != options[-1]


def test_a_path_that_is_too_long_for_a_socket_is_not_used() -> None:
    longest = "/" + 67 * "d"
    assert text.sharing_options(longest, PUBLIC_KEY)
    assert text.sharing_options(longest + "d", PUBLIC_KEY) == []


def test_cloud_config(golden: Golden) -> None:
    plan = dev_plan()
    rendered = text.cloud_config(plan, plan.manager, "10.20.0.0/24", PRIVATE_KEY, PUBLIC_KEY)
    golden("cloud-config-manager.yaml", rendered)
    parsed = yaml.safe_load(rendered)
    assert parsed["ssh_keys"]["ed25519_private"] == PRIVATE_KEY
    assert parsed["ssh_pwauth"] is False
    written = {file["path"]: file["content"] for file in parsed["write_files"]}
    assert written["/opt/swarmhub/bootstrap.sh"] == text.script("bootstrap.sh")


def test_cloud_config_fits_what_clouds_accept() -> None:
    plan = dev_plan()
    rendered = text.cloud_config(plan, plan.manager, "10.20.0.0/24", PRIVATE_KEY, PUBLIC_KEY)
    # Nova takes 65,535 bytes of base64 (nova/api/validation, user_data).
    assert len(rendered.encode()) * 4 / 3 < 65_535


def test_cloud_config_behind_a_proxy_and_a_mirror() -> None:
    plan = dev_plan(
        site__http_proxy="http://proxy.example.org:3128", site__registry_mirror="https://mirror.example.org"
    )
    rendered = text.cloud_config(plan, plan.manager, "10.20.0.0/24", PRIVATE_KEY, PUBLIC_KEY)
    written = {file["path"]: file["content"] for file in yaml.safe_load(rendered)["write_files"]}
    assert json.loads(written["/etc/swarmhub/docker.json"]) == {
        "registry-mirrors": ["https://mirror.example.org"]
    }
    assert (
        'Acquire::https::Proxy "http://proxy.example.org:3128";'
        in written["/etc/apt/apt.conf.d/90swarmhub-proxy"]
    )
    assert "https_proxy=http://proxy.example.org:3128" in written["/etc/swarmhub/proxy.env"]
    containers = json.loads(written["/etc/swarmhub/docker-client.json"])["proxies"]["default"]
    assert containers["httpsProxy"] == "http://proxy.example.org:3128"
    docker = written["/etc/systemd/system/docker.service.d/10-swarmhub-proxy.conf"]
    assert '"HTTPS_PROXY=http://proxy.example.org:3128"' in docker
    assert '"NO_PROXY=localhost,127.0.0.1,169.254.169.254,10.20.0.0/24,10.80.0.0/20"' in docker


def test_students_servers_know_the_sites_proxy() -> None:
    plan = dev_plan(site__http_proxy="http://proxy.example.org:3128")
    variables = yaml.safe_load(text.hub_config(plan, "hub.example.org", "10.20.0.11"))["user_server"][
        "variables"
    ]
    assert variables["http_proxy"] == variables["HTTPS_PROXY"] == "http://proxy.example.org:3128"
    # The server talks to its hub by the service's name.
    assert variables["no_proxy"].split(",")[:4] == ["localhost", "127.0.0.1", "hub", "proxy"]


def test_hub_config(golden: Golden) -> None:
    rendered = text.hub_config(dev_plan(), "hub.example.org", "10.20.0.11")
    golden("hub.yaml", rendered)
    assert yaml.safe_load(rendered)["homes"]["nfs"]["server"] == "10.20.0.11"


def test_front_door_files(golden: Golden) -> None:
    files = {file.path: file for file in text.front_door_files(dev_plan(), "hub.example.org", "CA\n")}
    golden("nginx.conf", files["/etc/swarmhub/front-door/nginx.conf"].content)
    golden("certificate.env", files["/etc/swarmhub/front-door/certificate.env"].content)
    assert files[text.DIRECTORY_CA_PATH].content == "CA\n"


def test_without_a_private_directory_no_ca_is_installed() -> None:
    files = text.front_door_files(dev_plan(), "hub.example.org", None)
    assert text.DIRECTORY_CA_PATH not in {file.path for file in files}


def test_nginx_without_a_certificate(golden: Golden) -> None:
    files = {
        file.path: file for file in text.front_door_files(dev_plan(tls={"issuer": "none"}), "h.test", None)
    }
    nginx = files["/etc/swarmhub/front-door/nginx.conf"].content
    golden("nginx-plain.conf", nginx)
    assert "443" not in nginx
    assert not any("certificate" in path for path in files)


def test_certificate_settings_cannot_run_commands() -> None:
    plan = dev_plan(tls__email="$(touch${IFS}/tmp/x)@example.org")
    files = {file.path: file.content for file in text.front_door_files(plan, "hub.example.org", None)}
    settings = files["/etc/swarmhub/front-door/certificate.env"]
    printed = subprocess.run(
        ["bash", "-c", 'eval "$(cat)"; printf %s "$EMAIL"'],
        input=settings,
        text=True,
        capture_output=True,
        check=True,
    )
    assert printed.stdout == "$(touch${IFS}/tmp/x)@example.org"


def closing(role: Role, **changes: Any) -> dict[str, str]:
    files = text.closing_files(dev_plan(**changes), role, "10.20.0.11", "203.0.113.5", "10.20.0.0/24")
    return {file.path: file.content for file in files}


def test_closing_files(golden: Golden) -> None:
    manager, worker = closing(Role.MANAGER), closing(Role.WORKER)
    golden("overlay-manager.nft", manager["/etc/swarmhub/overlay.nft"])
    golden("firewall-worker.env", worker["/etc/swarmhub/firewall.env"])
    assert set(manager) == set(worker)
    assert 'oifname "veth*" counter drop' in worker["/etc/swarmhub/overlay.nft"]


def test_every_unit_and_script_of_the_closing_is_installed() -> None:
    files = closing(Role.WORKER)
    for unit in (path for path in files if path.endswith(".service")):
        for program in re.findall(r"^ExecStart=(\S+)", files[unit], re.MULTILINE):
            assert program in files
    started = re.findall(r"^systemctl .*", text.script("ensure-closed.sh"), re.MULTILINE)
    units = re.findall(r"swarmhub-[a-z-]+\.[a-z]+", "\n".join(started))
    assert units
    for unit in units:
        assert f"/etc/systemd/system/{unit}" in files


def firewall_rules(tmp_path: Path, role: Role, **changes: Any) -> list[str]:
    """What firewall.sh gives to iptables-restore, with an iptables that knows no rule yet."""
    settings = tmp_path / "firewall.env"
    settings.write_text(closing(role, **changes)["/etc/swarmhub/firewall.env"])
    for name, script in {"iptables": "exit 0", "iptables-restore": f"cat > {tmp_path}/rules"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    subprocess.run(
        ["bash", text.NODE_DIRECTORY / "firewall.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "FIREWALL_ENV": str(settings)},
        check=True,
    )
    return (tmp_path / "rules").read_text().splitlines()


def test_a_worker_takes_the_overlay_from_the_manager_alone(tmp_path: Path) -> None:
    rule = "-A SWARMHUB-IN -p udp --dport 4789 ! -s 10.20.0.11 -j DROP"
    assert rule in firewall_rules(tmp_path, Role.WORKER)
    assert rule not in firewall_rules(tmp_path, Role.MANAGER)


def test_a_file_server_elsewhere_is_closed_to_users_whatever_is_listed(tmp_path: Path) -> None:
    elsewhere = {"kind": "nfs", "server": "192.0.2.5", "export": "/srv/homes"}
    rules = firewall_rules(
        tmp_path, Role.WORKER, storage=elsewhere, limits__outbound_networks=["192.0.2.0/24"]
    )
    assert rules.index("-A SWARMHUB-OUT -d 192.0.2.5 -j REJECT") < rules.index(
        "-A SWARMHUB-OUT -d 192.0.2.0/24 -j RETURN"
    )


def test_by_the_public_address_users_reach_the_pages_alone(tmp_path: Path) -> None:
    def rules_on(**changes: Any) -> list[str]:
        rules = firewall_rules(tmp_path, Role.WORKER, **changes)
        return [rule.partition("-d 203.0.113.5 ")[2] for rule in rules if "203.0.113.5" in rule]

    web, closed = [f"-p tcp --dport {port} -j RETURN" for port in (80, 443)], "-j REJECT"
    assert rules_on() == [*web, closed]
    in_clear = {"tls": {"issuer": "none"}}
    assert rules_on(**in_clear) == [web[0], closed]


def test_only_listed_networks_are_reached_when_some_are(tmp_path: Path) -> None:
    closed = "-A SWARMHUB-OUT -j REJECT"
    assert closed not in firewall_rules(tmp_path, Role.WORKER)
    listed = ["192.0.2.0/24", "198.51.100.7/32"]
    rules = firewall_rules(tmp_path, Role.WORKER, limits__outbound_networks=listed)
    assert rules.index("-A SWARMHUB-OUT -d 10.20.0.0/24 -j REJECT") < rules.index(
        "-A SWARMHUB-OUT -d 192.0.2.0/24 -j RETURN"
    )
    assert rules.index("-A SWARMHUB-OUT -d 198.51.100.7/32 -j RETURN") < rules.index(closed)


def test_storage_files(golden: Golden) -> None:
    files = {file.path: file.content for file in text.storage_files("10.20.0.0/24", None)}
    golden("swarmhub.exports", files["/etc/exports.d/swarmhub.exports"])


def test_home_files(golden: Golden) -> None:
    plan = dev_plan(
        storage__shared_folder=True,
        storage__quota_overrides={"users": {"ada": 20}, "groups": {"instructors": 50, "staff": 0, "all": 1}},
        hub__groups={"instructors": ["ada", "grace"], "staff": ["grace"], "all": ["grace", "alan"]},
    )
    files = {file.path: file for file in text.home_files(plan, "10.20.0.0/24")}
    golden("quota.json", files["/etc/swarmhub/quota.json"].content)
    assert files["/etc/swarmhub/quota.json"].mode == "0600"
    golden("swarmhub-shared.exports", files["/etc/exports.d/swarmhub-shared.exports"].content)
    golden("swarmhub-quota.service", files["/etc/systemd/system/swarmhub-quota.service"].content)
    without = {file.path: file.content for file in text.home_files(dev_plan(), "10.20.0.0/24")}
    assert without["/etc/exports.d/swarmhub-shared.exports"] == ""


def test_the_quota_program_runs_as_it_is_installed(tmp_path: Path) -> None:
    for file in text.home_files(dev_plan(), "10.20.0.0/24"):
        path = tmp_path / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
    ran = subprocess.run(
        [sys.executable, "-B", tmp_path / text.QUOTA_PROGRAM.lstrip("/"), "once"],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (
        1,
        "quota: /etc/swarmhub/quota.json has no 'homes'. Deploy anew.\n",
    )


def test_root_of_another_manager_may_make_homes_and_nobody_elses() -> None:
    files = {file.path: file.content for file in text.storage_files("10.20.0.0/24", "10.20.0.11")}
    home, manager, others = files["/etc/exports.d/swarmhub.exports"].split()
    assert (home, manager.split("(")[0], others.split("(")[0]) == (
        "/var/nfs/homes",
        "10.20.0.11",
        "10.20.0.0/24",
    )
    assert "no_root_squash" in manager
    assert "no_root_squash" not in others
    assert "root_squash" in others


def test_hub_config_without_homes() -> None:
    rendered = text.hub_config(dev_plan(storage={"kind": "none"}), "hub.example.org", "")
    assert yaml.safe_load(rendered)["homes"] is None


def test_hub_config_with_homes_on_another_server() -> None:
    plan = dev_plan(storage={"kind": "nfs", "server": "10.0.0.5", "export": "/srv/homes"})
    nfs = yaml.safe_load(text.hub_config(plan, "hub.example.org", "10.0.0.5"))["homes"]["nfs"]
    assert (nfs["server"], nfs["export"]) == ("10.0.0.5", "/srv/homes")


def test_a_missing_and_a_superfluous_value_are_refused() -> None:
    with pytest.raises(ValueError, match="machines_network"):
        text.render("swarmhub.exports", {"homes_directory": "/x"})
    with pytest.raises(ValueError, match="other"):
        text.render(
            "swarmhub.exports", {"homes_directory": "/x", "machines_network": "y", "manager": "", "other": 1}
        )


@pytest.mark.parametrize("path", sorted(text.NODE_DIRECTORY.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse_stop_at_errors_and_are_executable(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    assert "\nset -euo pipefail\n" in path.read_text()
    assert path.stat().st_mode & stat.S_IXUSR
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", path], check=True)


@pytest.mark.parametrize("path", sorted(text.NODE_DIRECTORY.glob("*.sh")), ids=lambda path: path.name)
def test_no_pipe_ends_in_a_reader_that_stops_early(path: Path) -> None:
    # Who still writes then dies of SIGPIPE, now and then, and under pipefail the step fails with status 141.
    early = re.compile(
        r"\|\s*(?:head\b|grep\s+(?:-\S+\s+)*-[a-zA-Z]*[qm]|awk\s[^|']*'[^']*\bexit\b|sed\s[^|']*'[^']*\bq\b)"
    )
    script = re.sub(r"\\?\n\s*", " ", path.read_text().replace("||", "\0"))
    assert [found.group() for found in early.finditer(script)] == []


def test_who_changes_fstab_is_alone_with_it() -> None:
    # Two volumes of a machine are mounted at the same time: the entry of one was lost now and then.
    changing = re.compile(r"(sed -i .*|>>)/etc/fstab$", re.MULTILINE)
    scripts = {path.name: path.read_text() for path in text.NODE_DIRECTORY.glob("*.sh")}
    found = [name for name, script in scripts.items() if changing.search(script)]
    assert len(found) >= 5
    for name in set(found) - {"restore-machine.sh"}:
        locked = scripts[name].partition('flock "$fstab_lock"\n')[2].partition("exec {fstab_lock}>&-\n")[0]
        assert len(changing.findall(locked)) == len(changing.findall(scripts[name])) > 0, name


def run_step(document: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, text.NODE_DIRECTORY / "run.py"],
        input=document,
        text=True,
        capture_output=True,
        check=False,
    )


def step(directory: Path, script: str, **more: object) -> str:
    document: dict[str, object] = {
        "name": "test",
        "files": [{"path": str(directory / "etc" / "secret"), "mode": "0600", "content": "first\n"}],
        "before": [],
        "script": script,
        "arguments": [],
        "input": "",
        **more,
    }
    return json.dumps(document)


def test_a_step_puts_files_in_place_and_tells_which_changed(tmp_path: Path) -> None:
    report = 'echo "changed: $CHANGED_FILES"'
    first = run_step(step(tmp_path, report))
    again = run_step(step(tmp_path, report))
    path = tmp_path / "etc" / "secret"
    assert first.stdout == f"changed: {path}\n"
    assert again.stdout == "changed: \n"
    assert path.read_text() == "first\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_step_hands_over_arguments_and_input(tmp_path: Path) -> None:
    ran = run_step(step(tmp_path, 'read -r line; echo "$1 $line"', arguments=["a b"], input="secret\n"))
    assert (ran.returncode, ran.stdout) == (0, "a b secret\n")


@pytest.mark.parametrize(("answer", "reloads"), [("no\n\nyes\n", 1), ("no\n\nno\n", 0)])
def test_units_that_systemd_has_read_otherwise_are_read_again(
    answer: str, reloads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl, calls = tmp_path / "systemctl", tmp_path / "calls"
    systemctl.write_text(f"#!/bin/sh\necho $* >>{calls}\n[ $1 != show ] || printf '{answer}'\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    units = tmp_path / "etc" / "systemd" / "system"
    paths = (units / "a.timer", units / "b.service.d" / "10.conf", tmp_path / "c.service")
    files = [{"path": str(path), "mode": "0644", "content": "[Unit]\n"} for path in paths]
    ran = run_step(step(tmp_path, f"echo last >>{calls}", files=files))
    assert (ran.returncode, ran.stderr) == (0, "")
    first, *rest = calls.read_text().splitlines()
    assert first == "show --property=NeedDaemonReload --value a.timer b.service"
    assert rest == ["daemon-reload"] * reloads + ["last"]


def test_an_earlier_script_that_fails_ends_the_step(tmp_path: Path) -> None:
    ran = run_step(step(tmp_path, "echo reached", before=[{"name": "earlier", "script": "exit 7"}]))
    assert (ran.returncode, ran.stdout) == (7, "")
