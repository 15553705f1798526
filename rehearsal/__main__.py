"""The command line of the rehearsal cloud: ``python3 -m rehearsal COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from rehearsal import cloud
from rehearsal.host import CommandFailed, lock, require_root
from swarmhub.errors import UserError

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


def _install() -> int:
    require_root()
    with lock(cloud.LOCK, "install"):
        cloud.install()
    return 0


def _build_image() -> int:
    require_root()
    with lock(cloud.LOCK, "build-image"):
        cloud.build_image()
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; every command leaves a ``run`` that gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m rehearsal", description="A real OpenStack on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("install", lambda _: _install(), "build the root file system of the services and the ACME server")
    add("build-image", lambda _: _build_image(), "build the container images and the guest image")
    start = add("start", lambda given: cloud.start(replace=given.replace, dns=given.dns), "start the cloud")
    start.add_argument("--replace", action="store_true", help="stop a cloud that was made from other inputs")
    start.add_argument("--dns", action="store_true", help="with the DNS service, of which most have no need")
    add("status", lambda _: cloud.status(), "say how the cloud is; exit status 0 when all of it is up")
    logs = add("logs", lambda given: cloud.show_log(given.name), "show the end of a log, or which there are")
    logs.add_argument("name", nargs="?")
    add("credentials", lambda _: cloud.write_credentials(), "write the client files into this checkout")
    enter = add("exec", lambda given: cloud.enter(given.words), "run a command inside, as the administrator")
    enter.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD")
    add("stop", lambda _: cloud.stop(), "stop the cloud; its data is kept")
    add("remove", lambda _: cloud.remove(), "stop the cloud and delete all it keeps")
    return parser


def main() -> int:
    """Run one command; errors are shown as sentences."""
    given = make_parser().parse_args()
    try:
        return int(given.run(given))
    except (UserError, CommandFailed) as error:
        print(error, file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on where it stopped.", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
