"""Run one step on a machine: put files in place, then run scripts. Everything arrives on standard input.

A command's text can be read in process lists and logs; standard input cannot. The JSON document has ``files``
(path, mode, content), ``before`` (scripts without arguments), ``script`` (bash) with its ``arguments`` and
``input``. The scripts find in CHANGED_FILES, one per line, which of the files differ from what was there.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

UNITS = "/systemd/system/"


def put(path: pathlib.Path, content: str, mode: int) -> bool:
    """Write atomically unless the file is already so; tell whether it was written."""
    if path.is_file() and path.read_text() == content and path.stat().st_mode & 0o7777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
    temporary.replace(path)
    return True


def reload_units(paths: list[str]) -> None:
    """Have systemd read again what differs from what it has read; a new unit it reads when that is started.

    Only where needed: on a small machine a reload takes many times as long as the question.
    """
    files = [pathlib.Path(path) for path in paths if UNITS in path]
    units = [each.parent.name.removesuffix(".d") if each.suffix == ".conf" else each.name for each in files]
    if not units:
        return
    asked = ["systemctl", "show", "--property=NeedDaemonReload", "--value", *sorted(set(units))]
    if "yes" in subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        subprocess.run(["systemctl", "daemon-reload"], check=True)


def run(name: str, script: str, arguments: list[str], standard_input: str, changed: list[str]) -> int:
    return subprocess.run(
        ["bash", "-c", script, name, *arguments],
        input=standard_input,
        text=True,
        env={**os.environ, "CHANGED_FILES": "\n".join(changed)},
        check=False,
    ).returncode


def main(step: dict[str, Any]) -> int:
    changed = [
        entry["path"]
        for entry in step["files"]
        if put(pathlib.Path(entry["path"]), entry["content"], int(entry["mode"], 8))
    ]
    reload_units([entry["path"] for entry in step["files"]])
    for earlier in step["before"]:
        if code := run(earlier["name"], earlier["script"], [], "", changed):
            return code
    return run(step["name"], step["script"], step["arguments"], step["input"], changed)


# Read already when this text came with it, as the deployment sends it.
sys.exit(main(globals().get("step") or json.load(sys.stdin)))
