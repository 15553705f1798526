"""The ssh key pair that a stack's machines admit: made at the first `up`, or the operator's own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from swarmhub.errors import Finding, UserError
from swarmhub.settings import Settings
from swarmhub.text import PROJECT_DIRECTORY

STATE_DIRECTORY = PROJECT_DIRECTORY / ".state"


@dataclass(frozen=True, kw_only=True)
class OperatorKeyFile:
    """``path`` is the private key's file; one that is made has mode 0600, in a directory of mode 0700.

    ``private`` None is a key that ssh-agent holds; then the file is its public half.
    """

    path: Path
    private: str | None
    public: str


def find_operator_key(settings: Settings, stack: str) -> OperatorKeyFile:
    """The key that the stack file names, or the stack's own. Raises ``UserError``."""
    file = settings.site.private_key_file
    return (
        read_operator_key(PROJECT_DIRECTORY / Path(file).expanduser()) if file else ensure_operator_key(stack)
    )


def read_operator_key(path: Path) -> OperatorKeyFile:
    """Read a private key without a passphrase, or take the public half of one that ssh-agent holds."""
    if path.suffix == ".pub":
        try:
            return OperatorKeyFile(path=path, private=None, public=path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(path, str(error)) from None
    try:
        command = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise _unusable(path, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no key")
        return OperatorKeyFile(path=path, private=path.read_text(), public=done.stdout)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error)) from None


def _unusable(path: Path, reason: str) -> UserError:
    return UserError(
        [
            Finding(
                where="site.private_key_file",
                problem=f"{path} cannot be used ({reason})",
                rule="It is a private key without a passphrase, or the .pub file of one that ssh-agent holds",
                remedy="Add it to the agent with ssh-add, and name its .pub file",
            )
        ]
    )


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
