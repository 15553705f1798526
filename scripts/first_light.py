"""`make up` and what goes with it: the rehearsal cloud, the stack `dev` on it, and the way back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from rehearsal.host import fail
from rehearsal.paths import CHECKOUT, CLIENT, DATA
from scripts.environment import read_client_environment
from scripts.leftovers import find_traces
from scripts.paths import TEST_RESULTS
from scripts.progress import Progress
from scripts.stack import CLOUD_ID_VARIABLE, Stack, print_line, read_configuration, rehearsal_environment
from scripts.steps import run_command

STACK_NAME = "dev"
CLOUD = "rehearsal"
INTERRUPT_PATIENCE_SECONDS = 60
SUMMARY = Path(__file__).with_name("first_light.txt")
SCREENSHOT = TEST_RESULTS / "hub.png"


def call(module: str, *arguments: str, quiet: bool = False) -> int:
    """Run a module of this checkout; return its exit code. An interrupt lets it come to its own end."""
    sink = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=CHECKOUT, stdout=sink, stderr=sink
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(timeout=INTERRUPT_PATIENCE_SECONDS)
        raise


def call_rehearsal(*arguments: str) -> int:
    return call("rehearsal", *arguments)


def cloud_runs() -> bool:
    return call("rehearsal", "status", quiet=True) == 0


def read_cloud_id() -> str:
    """The id of the cloud that last wrote this checkout's client files."""
    return read_client_environment(CLIENT / "env").get(CLOUD_ID_VARIABLE, "")


def start_cloud(*options: str) -> str:
    """Bring the rehearsal cloud up; return its id. Raises UserError after the cloud's own sentence."""
    if code := call_rehearsal("start", *options):
        fail("rehearsal cloud", f"it did not start (status {code})", "Mend what stands above, then try again")
    return read_cloud_id()


def dev_stack() -> Stack:
    return Stack(name=STACK_NAME, environment=rehearsal_environment(), configuration=read_configuration())


def forget_lost_cloud(stack: Stack, cloud_id: str) -> None:
    """Remove a stack whose cloud is gone: nothing of what its state names exists any more."""
    if stack.exists() and not stack.belongs_to(cloud_id):
        stack.remove()
        print_line(f"  the cloud that stack {stack.name} was deployed on is gone; its state was removed")


def up() -> int:
    begin = time.monotonic()
    print_line("Rehearsal cloud")
    cloud_id = start_cloud()
    cloud_seconds = time.monotonic() - begin

    print_line("Stack dev")
    stack = dev_stack()
    stack.mend(cloud=CLOUD)
    forget_lost_cloud(stack, cloud_id)
    stack.ensure()
    stack.note_cloud(cloud_id)
    progress = stack.change("up")
    total = time.monotonic() - begin
    print_line(render_summary(stack, stack.outputs(), describe_times(cloud_seconds, progress, total)))
    return 0


def describe_times(cloud_seconds: float, progress: Progress, total_seconds: float) -> str:
    """Where the time went: the cloud, then each stage of the stack from its first to its last resource."""
    rows = [f"  {'rehearsal cloud':<16}{cloud_seconds:>21.0f} s"]
    rows += [
        f"  {stage or 'other':<16}{span.end - span.begin:>21.0f} s   ({span.begin:.0f} to {span.end:.0f})"
        for stage, span in progress.report_stages()
    ]
    rows.append(f"  {'pulumi up':<16}{progress.elapsed():>21.0f} s   ({describe_counts(progress)})")
    rows.append(f"  {'in all':<16}{total_seconds:>21.0f} s")
    return "\n".join(["Times (the stages of the stack overlap)", *rows])


def describe_counts(progress: Progress) -> str:
    return (
        ", ".join(f"{count} {outcome}" for outcome, count in progress.counts.most_common()) or "no resources"
    )


def render_summary(stack: Stack, outputs: Mapping[str, Any], times: str) -> str:
    """What a person reads at the end; the one place where passwords are shown."""
    return Template(SUMMARY.read_text()).substitute(
        outputs,
        students=describe_students(stack.name, outputs),
        organiser=describe_organiser(outputs),
        times=times,
        directory=stack.directory,
        log=stack.log("up"),
    )


def describe_students(stack_name: str, outputs: Mapping[str, Any]) -> str:
    """How students log in, by what this kind of login has for them."""
    if "roster" in outputs:
        return f"those on the roster; bin/swarmhub roster --stack {stack_name} shows their passwords"
    if "callback_url" in outputs:
        return f"those let in by {outputs['login']}, which sends them back to {outputs['callback_url']}"
    return f"any user name, for example ada2 or student1; password {outputs['user_password']}"


def describe_organiser(outputs: Mapping[str, Any]) -> str:
    """How the first administrator logs in."""
    if "admin_password" not in outputs:
        return f"{outputs['admin_user']}, as students do"
    return f"{outputs['admin_user']}, password {outputs['admin_password']}"


def down() -> int:
    stack = dev_stack()
    stack.release_lock()
    if stack.exists() and stack.count_resources():
        destroy(stack)
    print_line("Rehearsal cloud: stop")
    if code := call_rehearsal("stop"):
        fail("rehearsal cloud", f"it did not stop (status {code})", "See above, then run make down again")
    if traces := find_traces():
        fail("make down", "something is left: " + "; ".join(traces), "Run make down again")
    print_line("Nothing of it runs any more. The caches stay for the next make up; make clean removes them.")
    return 0


def destroy(stack: Stack) -> None:
    """Destroy what the stack has on its cloud, which is started when it is stopped."""
    if not cloud_runs():
        if not DATA.exists():
            forget_lost_cloud(stack, "")
            return
        print_line("Rehearsal cloud: start, for the stack is still in it")
        start_cloud()
    forget_lost_cloud(stack, read_cloud_id())
    if stack.exists():
        stack.mend(cloud=CLOUD)
        print_line(f"Stack {stack.name}: destroy")
        print_line(describe_counts(stack.change("destroy")))


def status() -> int:
    code = call_rehearsal("status")
    stack = dev_stack()
    if not stack.exists() or not (count := stack.count_resources()):
        print_line(f"Stack {stack.name}: nothing deployed (make up)")
        return code
    outputs = stack.outputs()
    print_line(f"Stack {stack.name}: {count} resources; {outputs.get('url', 'make up did not get through')}")
    return code


def browse() -> int:
    stack = dev_stack()
    url = stack.outputs().get("url") if stack.exists() else None
    if not url:
        fail("browse", "no hub is deployed", "Run make up first")
    SCREENSHOT.parent.mkdir(exist_ok=True)
    return call("rehearsal.browser", str(url), "--screenshot", str(SCREENSHOT))


COMMANDS = {"up": up, "down": down, "status": status, "browse": browse}


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        fail(
            "first_light",
            f"{' '.join(sys.argv[1:]) or 'nothing'} is no command",
            f"Use {', '.join(COMMANDS)}",
        )
    return COMMANDS[sys.argv[1]]()


if __name__ == "__main__":
    run_command(main)
