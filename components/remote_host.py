"""A machine one can run steps on: the one owner of connection, host key, readiness, sudo and lifetime."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pulumi
from pulumi_command import local, remote

from swarmhub.text import NodeFile, script

DIAL_SECONDS = 5
FIRST_BOOT_SECONDS = 900
STEP_SECONDS = 600
DIAL_MARGIN_SECONDS = 300
UNLIMITED = -1
# A failed command is reported with its whole text: what it runs comes with its input.
RUN_WHAT_ARRIVES = "import json, sys; step = json.load(sys.stdin); exec(step['runner'])"
REMOVE_WHAT_ARRIVES = (
    "import json, sys; step = json.load(sys.stdin); step |= step['removal']; exec(step['runner'])"
)
FIRST_BOOT_RESULT = "/run/cloud-init/result.json"

# cloud-init writes its findings last; asking `cloud-init status` for them costs seconds each time.
AWAIT_FIRST_BOOT = f"""
timeout {FIRST_BOOT_SECONDS} sh -c 'until [ -e {FIRST_BOOT_RESULT} ]; do sleep 0.5; done' || {{
  echo "first boot: cloud-init did not finish within {FIRST_BOOT_SECONDS} s. Its log:" >&2
  sudo -n tail -n 30 /var/log/cloud-init-output.log >&2
  exit 1
}}
if grep -q '"errors": \\[$' {FIRST_BOOT_RESULT}; then
  echo "first boot: cloud-init reported errors. Its log:" >&2
  sudo -n tail -n 30 /var/log/cloud-init-output.log >&2
  exit 1
fi
"""


@dataclass(frozen=True, kw_only=True)
class OperatorKey:
    """The key pair that the operator's machine connects with; the Docker provider needs it as a file.

    ``private`` None is a key that ssh-agent holds: then the file is the public half. ``sockets_directory``
    is where sessions with one machine may find each other's connection; None: each has its own.
    """

    public: str
    private: pulumi.Input[str] | None
    private_file: str
    sockets_directory: str | None = None


def _as_root(program: str, limit_seconds: int) -> str:
    # Isolated, so that no file of the user's is imported as root; and half the time without site packages.
    return f"sudo -n timeout {limit_seconds} python3 -I -S -c {shlex.quote(program)}"


def _removal(name: str, arguments: Sequence[pulumi.Input[str]]) -> dict[str, Any]:
    return {
        "name": name,
        "files": [],
        "before": [],
        "script": script(name),
        "arguments": list(arguments),
        "input": "",
    }


class Life:
    """What is in a machine ends with it, and begins anew in the one that replaces it.

    Pulumi skips the deletion of what is ``deleted_with`` a resource only while that one's own deletion
    stands: a server that is replaced is deleted and there again, and the services that the former one had
    would be looked for in its successor. So there is one ``end`` for each server that the machine has had.

    A machine that was there before ends when it is cleaned up, and is another one at another address.
    """

    def __init__(self, number: int | str) -> None:
        self.number = number
        self.end: pulumi.Resource | None = None
        self._holders: tuple[pulumi.Resource, ...] = ()

    @classmethod
    def of_server(
        cls, name: str, number: int, instance: pulumi.CustomResource, parent: pulumi.Resource
    ) -> Life:
        """The life of a server that is deleted as a whole."""
        life = cls(number)
        life._holders = (instance,)
        life.end = local.Command(
            f"{name}-life-{number}",
            create="true",
            # Deleted together with the server, before anything that was in it.
            triggers=[instance.id],
            opts=pulumi.ResourceOptions(parent=parent),
        )
        return life

    def begin(self, prepared: pulumi.Resource) -> None:
        """All that is made in the machine from now on is gone when ``prepared`` has been deleted."""
        self.end, self._holders = prepared, (prepared,)

    def options(
        self,
        parent: pulumi.Resource,
        *,
        depends_on: Sequence[pulumi.Resource] = (),
        provider: pulumi.ProviderResource | None = None,
        ignore_changes: Sequence[str] = (),
        delete_before_replace: bool | None = None,
        additional_secret_outputs: Sequence[str] = (),
        custom_timeouts: pulumi.CustomTimeouts | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a resource that is in the machine."""
        return pulumi.ResourceOptions(
            parent=parent,
            deleted_with=self.end,
            replacement_trigger=self.number,
            depends_on=[*self._holders, *depends_on],
            provider=provider,
            ignore_changes=list(ignore_changes),
            delete_before_replace=delete_before_replace,
            additional_secret_outputs=list(additional_secret_outputs),
            custom_timeouts=custom_timeouts,
        )


class RemoteHost:
    """Its steps wait until it is ready, with ``awaiting`` for a script, and end with the machine they ran on.

    ``dial_limit`` is how often a connection is tried before that is an error. Another ``size`` is a machine
    that boots again, and is waited for again.
    """

    def __init__(
        self,
        name: str,
        *,
        address: pulumi.Input[str],
        user: str,
        key: OperatorKey,
        host_public_key: pulumi.Input[str],
        parent: pulumi.Resource,
        life: Life,
        reachable_after: Sequence[pulumi.Resource],
        through: RemoteHost | None = None,
        awaiting: str = AWAIT_FIRST_BOOT,
        dial_limit: int = UNLIMITED,
        size: str | None = None,
    ) -> None:
        self._dial_limit = dial_limit
        self.name, self.user, self.key = name, user, key
        self.address = pulumi.Output.from_input(address)
        self.host_public_key = pulumi.Output.from_input(host_public_key)
        self._life = life
        self.ready: pulumi.Resource
        self._connection = remote.ConnectionArgs(
            host=address,
            user=user,
            private_key=key.private,
            host_key=host_public_key,
            dial_error_limit=dial_limit,
            per_dial_timeout=DIAL_SECONDS,
            proxy=through._as_proxy() if through else None,
        )
        self.ready = remote.Command(
            f"{name}-ready",
            connection=self._connection,
            create=awaiting,
            # Nobody reads it: with another one the command runs again.
            stdin=size,
            add_previous_output_in_env=False,
            opts=life.options(
                parent,
                depends_on=[*reachable_after, *([through.ready] if through else [])],
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"),
            ),
        )

    def _as_proxy(self) -> remote.ProxyConnectionArgs:
        return remote.ProxyConnectionArgs(
            host=self.address,
            user=self.user,
            private_key=self.key.private,
            host_key=self.host_public_key,
            dial_error_limit=self._dial_limit,
            per_dial_timeout=DIAL_SECONDS,
        )

    def run(
        self,
        name: str,
        *,
        steps: Sequence[str],
        parent: pulumi.Resource,
        arguments: Sequence[pulumi.Input[str]] = (),
        files: pulumi.Input[Sequence[NodeFile]] = (),
        standard_input: pulumi.Input[str] = "",
        depends_on: Sequence[pulumi.Resource] = (),
        secret_output: bool = False,
        removal: str = "",
        removal_arguments: Sequence[pulumi.Input[str]] = (),
        replaced_with: Sequence[pulumi.Input[str]] = (),
        again_with: Sequence[str] = (),
        limit_seconds: int = STEP_SECONDS,
    ) -> remote.Command:
        """Put ``files`` in place and run the scripts ``steps`` of ``node/`` as root, as one command.

        All steps but the last run without arguments or input. All run again whenever any of it changes, or
        any of ``again_with``, which is for nothing else.
        The script ``removal`` runs when the command is no longer wanted, unless its machine goes too; it
        is removed and made anew when any of ``replaced_with`` changes.
        """
        *before, last = steps
        document = pulumi.Output.json_dumps(
            {
                "runner": script("run.py"),
                "name": last,
                "files": pulumi.Output.from_input(files).apply(lambda each: [asdict(file) for file in each]),
                "before": [{"name": step, "script": script(step)} for step in before],
                "script": script(last),
                "arguments": list(arguments),
                "input": standard_input,
            }
            | ({"removal": _removal(removal, removal_arguments)} if removal else {})
            | ({"again_with": list(again_with)} if again_with else {})
        )
        return remote.Command(
            name,
            connection=self._connection,
            create=_as_root(RUN_WHAT_ARRIVES, limit_seconds),
            stdin=document,
            delete=_as_root(REMOVE_WHAT_ARRIVES, limit_seconds) if removal else None,
            triggers=list(replaced_with) or None,
            add_previous_output_in_env=False,
            logging=remote.Logging.NONE if secret_output else remote.Logging.STDOUT_AND_STDERR,
            opts=self._life.options(
                parent,
                depends_on=[self.ready, *depends_on],
                additional_secret_outputs=["stdout"] if secret_output else [],
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{limit_seconds + DIAL_MARGIN_SECONDS}s",
                    update=f"{limit_seconds + DIAL_MARGIN_SECONDS}s",
                    delete=f"{limit_seconds + DIAL_MARGIN_SECONDS}s",
                ),
                delete_before_replace=bool(removal),
            ),
        )
