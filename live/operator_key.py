"""The ssh key pair that a stack's machines admit: a file of the operator's, made at the first `up`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from swarmhub.errors import Finding, UserError
from swarmhub.text import PROJECT_DIRECTORY

STATE_DIRECTORY = PROJECT_DIRECTORY / ".state"


@dataclass(frozen=True, kw_only=True)
class OperatorKeyFile:
    """``path`` is the private key's file, mode 0600, in a directory of mode 0700."""

    path: Path
    private: str
    public: str


def ensure_operator_key(stack: str, state_directory: Path = STATE_DIRECTORY) -> OperatorKeyFile:
    """Read the stack's key pair, or make it; raises ``UserError`` when ``ssh-keygen`` is missing or fails."""
    path = state_directory / "ssh" / stack / "id_ed25519"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # A run that was ended between the two files leaves neither: the pair gets its name last.
        temporary = path.with_name("new")
        for half in (temporary, temporary.with_suffix(".pub")):
            half.unlink(missing_ok=True)
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            f"swarmhub {stack}",
            "-f",
            str(temporary),
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            raise UserError(
                [
                    Finding(
                        where="ssh key",
                        problem=f"ssh-keygen could not make {path} ({error})",
                        remedy="Install OpenSSH's client (Debian, Ubuntu: apt-get install openssh-client)",
                    )
                ]
            ) from None
        temporary.with_suffix(".pub").replace(path.with_suffix(".pub"))
        temporary.replace(path)
    path.chmod(0o600)
    public = path.with_suffix(".pub").read_text()
    return OperatorKeyFile(path=path, private=path.read_text(), public=public)
