"""The truth at the end of `up`: a login at the public URL, a server, a cell, a file, all removed again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pulumi
from pulumi_command import local

from components.hub import Hub
from components.remote_host import RemoteHost
from components.swarm import verified_ssh_options
from swarmhub import plan as planned
from swarmhub.text import CERTIFICATE_DIRECTORY, PROJECT_DIRECTORY, START_TIMEOUT_SECONDS

SHOW_LOGS = "; ".join(
    (
        "docker service ps --no-trunc hub proxy",
        "docker service logs --tail 40 hub",
        "docker logs --tail 10 front-door",
    )
)
PRINT_CERTIFICATE = f"sudo -n cat {CERTIFICATE_DIRECTORY}/fullchain.pem"


def command_on(host: RemoteHost, script: str) -> pulumi.Output[str]:
    """The ssh command that runs a script of the probe's there."""
    return pulumi.Output.all(verified_ssh_options(host), host.user, host.address).apply(
        lambda parts: shlex.join(["ssh", *parts[0], f"{parts[1]}@{parts[2]}", script])
    )


def certificate_arguments(plan: planned.Plan, host: RemoteHost) -> pulumi.Input[str]:
    """The probe's options for an issuer that is not among the system's."""
    path = plan.certificate.trusted_ca_file
    from_file = f" --ca-file {shlex.quote(str(Path(PROJECT_DIRECTORY, path)))}" if path else ""
    if not plan.certificate.issuer.is_for_trial:
        return from_file
    # ssh has verified the manager, and the manager has the certificate.
    command = command_on(host, PRINT_CERTIFICATE)
    return pulumi.Output.concat(from_file, " --certificate-command ", command.apply(shlex.quote))


class Probe(pulumi.ComponentResource):
    """Runs once, and again whenever something that it would notice has changed."""

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        url: pulumi.Output[str],
        address: pulumi.Output[str],
        hub: Hub,
        host: RemoteHost,
        noticed: Sequence[pulumi.Input[str]],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:probe:Probe", name, None, opts)
        self.run = local.Command(
            f"{name}-run",
            create=pulumi.Output.concat(
                ".venv/bin/python -m live.probe --url ",
                url,
                " --address ",
                address,
                f" --user {planned.PROBE_USER}",
                " --expect-home nfs4" if plan.homes else "",
                f" --expect-quota-gb {plan.settings.storage.home_quota_gb if plan.has_quotas else 0:g}",
                f" --start-timeout-seconds {START_TIMEOUT_SECONDS}",
                certificate_arguments(plan, host),
                "" if plan.certificate.exists else " --plain-http",
                " --subdomains" if plan.settings.hub.subdomains else "",
                f" --nameserver {plan.name_server}" if plan.name_server else "",
                " --logs-command ",
                command_on(host, SHOW_LOGS).apply(shlex.quote),
            ),
            dir=str(PROJECT_DIRECTORY),
            stdin=pulumi.Output.json_dumps(
                {"user_password": hub.login.probe_password, "probe_token": hub.probe_token}
            ),
            triggers=list(noticed),
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(depends_on),
                custom_timeouts=pulumi.CustomTimeouts(create="20m"),
            ),
        )
        self.register_outputs({})
