"""Asks existing machines what they are like, before anything is made on them. Changes nothing there."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from swarmhub.errors import Finding
from swarmhub.facts import HostFacts, HostRequest, HostsRequest, HostSurvey
from swarmhub.text import PROJECT_DIRECTORY, jump_options, script, ssh_options

CONNECT_SECONDS = 10
ANSWER_SECONDS = 90
AT_ONCE = 16
SSH_FAILED = 255
RUN_WHAT_ARRIVES = "import json, sys; request = json.load(sys.stdin); exec(request['program'])"
# The order in which pulumi-command's ssh wants them: it verifies the one that the server then shows.
KEY_TYPES = (
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "ssh-ed25519",
)

Run = Callable[[Sequence[str], str], "subprocess.CompletedProcess[str]"]


def run_program(command: Sequence[str], input_text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=input_text, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
    )


def survey_hosts(
    request: HostsRequest, private_key_file: str, public_key: str, run: Run = run_program
) -> HostSurvey:
    """Ask all machines, the one that ssh goes through first. What is wrong is among the findings."""
    surveyor = _Surveyor(request, private_key_file, public_key, run)
    first = [each for each in request.hosts if each.through is None]
    others = [each for each in request.hosts if each.through is not None]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        list(pool.map(surveyor.ask, first))
        list(pool.map(surveyor.ask, [each for each in others if each.through in surveyor.keys]))
    return HostSurvey(
        hosts={
            each.where: surveyor.facts[each.where] for each in request.hosts if each.where in surveyor.facts
        },
        findings=tuple(
            surveyor.findings[each.where] for each in request.hosts if each.where in surveyor.findings
        ),
    )


class _Surveyor:
    """Collects answers by the machines' config keys; ``keys`` are host keys that were verified."""

    def __init__(self, request: HostsRequest, private_key_file: str, public_key: str, run: Run) -> None:
        self.request, self.private_key_file, self.public_key = request, private_key_file, public_key
        self.facts: dict[str, HostFacts] = {}
        self.findings: dict[str, Finding] = {}
        self.keys: dict[str, str] = {}
        self._run = run
        self._by_where = {each.where: each for each in request.hosts}

    def ask(self, host: HostRequest) -> None:
        """Put what the machine says into ``facts``, or what is wrong into ``findings``."""
        key = host.host_key or self._known_key(host)
        if key is None:
            return
        document = {
            "program": script("survey.py"),
            "address": host.address,
            "ports": list(host.ports),
            "device": host.device,
            "directory": host.directory,
        }
        command = [
            *self._ssh(host, key, options=["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]),
            shlex.join(["sudo", "-n", "python3", "-c", RUN_WHAT_ARRIVES]),
        ]
        try:
            done = self._run(command, json.dumps(document))
        except subprocess.TimeoutExpired:
            self._fail(
                host, f"it did not answer within {ANSWER_SECONDS} s", f"Look at it: {self._line(host)}"
            )
            return
        except OSError as error:
            self._fail(host, f"ssh could not be run ({error})", "Install OpenSSH's client")
            return
        if done.returncode:
            self._explain(host, done)
            return
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            self._fail(
                host,
                f"what it answered is not understood: {done.stdout.strip()[:80]!r}",
                "Its login shell must print nothing by itself",
            )
            return
        self.keys[host.where] = key
        self.facts[host.where] = _facts(answer, key)

    def _ssh(self, host: HostRequest, key: str, options: Sequence[str] = ()) -> list[str]:
        jump = []
        if host.through:
            gate = self._by_where[host.through]
            inner = [*self._ssh_words(self.keys[gate.where]), f"{self.request.user}@{gate.reached_at}"]
            jump = jump_options(inner, host.reached_at)
        return [*self._ssh_words(key), *options, *jump, f"{self.request.user}@{host.reached_at}"]

    def _ssh_words(self, key: str) -> list[str]:
        return ["ssh", *ssh_options(self.private_key_file, key)]

    def _line(self, host: HostRequest) -> str:
        return f"ssh -i {self.private_key_file} {self.request.user}@{host.reached_at}"

    def _known_key(self, host: HostRequest) -> str | None:
        """The machine's key in the known_hosts file, hashed names too."""
        file = str(project_path(self.request.known_hosts_file or ""))
        found: list[str] = []
        for address in dict.fromkeys((host.reached_at, host.address)):
            done = self._run(["ssh-keygen", "-F", address, "-f", file], "")
            lines = [
                line.split() for line in done.stdout.splitlines() if line and not line.startswith(("#", "@"))
            ]
            found += [" ".join(words[1:3]) for words in lines if len(words) > 2]
        # As ssh itself prefers them.
        for kind in reversed(KEY_TYPES):
            for key in found:
                if key.split()[0] == kind:
                    return key
        self._fail(
            host,
            f"{file} has no host key of {host.reached_at}",
            f"Set {host.where}.host_key to the machine's /etc/ssh/ssh_host_ed25519_key.pub, "
            "or connect once by hand and compare what ssh shows",
            rule="No host key is taken on trust",
        )
        return None

    def _explain(self, host: HostRequest, done: subprocess.CompletedProcess[str]) -> None:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"status {done.returncode}"
        complete = " ".join(lines)
        if "sudo:" in complete:
            self._fail(
                host,
                f"the account {self.request.user} may not use sudo without a password",
                f"On the machine, allow it in /etc/sudoers.d: {self.request.user} ALL=(ALL) NOPASSWD: ALL",
            )
        elif "python3" in complete and done.returncode != SSH_FAILED:
            self._fail(host, "it has no python3", "Install it there: apt-get install python3")
        elif "Host key verification failed" in complete or "HOST IDENTIFICATION" in complete:
            self._fail(
                host,
                f"{host.reached_at} showed another host key than the known one",
                "If the machine was set up anew, take its new key over; else find out what answers there",
            )
        elif "Permission denied" in complete:
            self._fail(
                host,
                f"{host.reached_at} does not admit {self.request.user} with the key {self.private_key_file}",
                f"Add this to ~{self.request.user}/.ssh/authorized_keys there: {self.public_key.strip()}",
            )
        else:
            remedy = f"See that ssh gets there: {self._line(host)}"
            self._fail(host, f"{host.reached_at} cannot be reached ({reason})", remedy)

    def _fail(self, host: HostRequest, problem: str, remedy: str, rule: str = "") -> None:
        self.findings[host.where] = Finding(where=host.where, problem=problem, rule=rule, remedy=remedy)


def project_path(file: str) -> Path:
    """A file of the stack file's: relative to the project's directory, absolute, or below the home."""
    return PROJECT_DIRECTORY / Path(file).expanduser()


def _facts(answer: dict[str, Any], known_key: str) -> HostFacts:
    """With the host key that other ssh programs will be shown: the machine itself said it, verified."""
    own = [*answer.pop("host_keys"), known_key]
    by_kind = {key.split()[0]: key for key in reversed(own)}
    shown = next((by_kind[kind] for kind in KEY_TYPES if kind in by_kind), known_key)
    answer["firewalls"] = tuple(answer["firewalls"])
    return HostFacts(host_key=shown, **answer)
