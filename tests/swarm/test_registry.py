"""Images that the stack builds: made by the real steps, handed to the workers, closed to all others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import pytest

from live.contexts import read_contexts
from rehearsal.host import CommandFailed
from rehearsal.native_swarm import Node, Swarm
from swarmhub.context import Context, ContextFile, pack
from swarmhub.plan import REGISTRY_CONFIG_DIRECTORY, REGISTRY_DIRECTORY, REGISTRY_PORT, built_image, image_at
from swarmhub.references import pinned, read_references
from swarmhub.settings.hub import Hub, Images
from swarmhub.settings.push import Push
from swarmhub.text import (
    REGISTRY_CONTAINER,
    NodeFile,
    registry_access_files,
    registry_config,
    render,
    script,
)
from tests.support import outside_registry
from tests.support.native_hub import USER_IMAGE, NativeHub
from tests.support.outside_registry import ACCOUNT, ADDRESS, PASSWORD
from tests.support.wheels import requirements_files
from tests.swarm.conftest import MakeStudent
from tests.swarm.test_servers import find_container, run_inside

LIMIT_SECONDS = "120"
MEMBER = "/srv/node/data/swarm/certificates/swarm-node"
CONNECT = (
    "import socket; s = socket.socket(); s.settimeout(5); print(s.connect_ex(({host!r}, {port})) or 'open')"
)


def requirements_context(version: str) -> Context:
    files = requirements_files(version).items()
    return pack({name: ContextFile(content=content) for name, content in files}, USER_IMAGE)


def dockerfile_context(*lines: str) -> Context:
    text = "\n".join((f"FROM {USER_IMAGE}", *lines, ""))
    return pack({"Dockerfile": ContextFile(content=text.encode())}, None)


def run_step(
    node: Node,
    *steps: str,
    arguments: Sequence[str] = (),
    files: Sequence[NodeFile] = (),
    standard_input: str = "",
) -> str:
    """Run steps as components/remote_host.py has them run."""
    *before, last = steps
    document = {
        "files": [asdict(file) for file in files],
        "before": [{"name": step, "script": script(step)} for step in before],
        "name": last,
        "script": script(last),
        "arguments": list(arguments),
        "input": standard_input,
    }
    (node.directory / "run.py").write_text(script("run.py"))
    (node.directory / "step.json").write_text(json.dumps(document))
    return node.run("sh", "-c", "python3 /srv/node/run.py </srv/node/step.json")


@dataclass(frozen=True, kw_only=True)
class RunningRegistry:
    """The registry on the manager and what its members know it by."""

    swarm: Swarm
    address: str
    access: Sequence[NodeFile]

    def build(self, name: str, context: Context) -> str:
        """Have the manager build an image; return its name."""
        image = image_at(built_image(name, context), self.address)
        run_step(
            self.swarm.manager,
            *("ensure-registry-access.sh", "ensure-built-image.sh"),
            arguments=["push", image, LIMIT_SECONDS],
            files=self.access,
            standard_input=context.archive,
        )
        return image

    def pull(self, node: Node, image: str, *options: str) -> str:
        """Have a node pull an image; return what it says."""
        return run_step(
            node,
            *("ensure-registry-access.sh", "ensure-images.sh"),
            arguments=[LIMIT_SECONDS, *options, image],
            files=self.access,
        )


@pytest.fixture(scope="module")
def registry(swarm: Swarm) -> Iterator[RunningRegistry]:
    manager = swarm.manager
    for node, role in zip(swarm.nodes, ("manager", "worker"), strict=True):
        values = {
            "role": role,
            "manager": manager.address,
            "machines_network": "10.77.0.0/24",
            "public_address": "203.0.113.5",
            "web_ports": "'80 443'",
            "file_server": "''",
            "outbound_networks": "''",
        }
        firewall = NodeFile(path="/etc/swarmhub/firewall.env", content=render("firewall.env", values))
        run_step(node, "firewall.sh", files=[firewall])
    address = f"{manager.address}:{REGISTRY_PORT}"
    configuration = NodeFile(path="/etc/docker/registry/config.yml", content=registry_config(address))
    arguments = [manager.address, REGISTRY_CONFIG_DIRECTORY, REGISTRY_DIRECTORY, REGISTRY_CONTAINER]
    certificate = run_step(manager, "ensure-registry.sh", arguments=arguments, files=[configuration])
    assert run_step(manager, "ensure-registry.sh", arguments=arguments) == certificate
    binds = [
        f"{configuration.path}:{configuration.path}:ro",
        f"{REGISTRY_CONFIG_DIRECTORY}:{REGISTRY_CONFIG_DIRECTORY}:ro",
        f"{REGISTRY_DIRECTORY}:/var/lib/registry",
    ]
    spec = {
        "Image": "swarmhub/registry:dev",
        "HostConfig": {"NetworkMode": "host", "Binds": binds, "CapDrop": ["ALL"]},
    }
    made = swarm.docker.post("/containers/create", spec, name=REGISTRY_CONTAINER)
    swarm.docker.post(f"/containers/{made['Id']}/start")
    yield RunningRegistry(swarm=swarm, address=address, access=registry_access_files(address, certificate))
    swarm.docker.delete(f"/containers/{made['Id']}", force="1")


@pytest.fixture
def outside(swarm: Swarm) -> Iterator[str]:
    """A registry that the stack does not run; what the images' names there begin with."""
    binds = []
    for name, content in outside_registry.FILES.items():
        (swarm.manager.directory / f"outside-{name}").write_text(content)
        binds.append(f"/srv/node/outside-{name}:{outside_registry.DIRECTORY}/{name}:ro")
    spec = {"Image": outside_registry.IMAGE, "HostConfig": {"NetworkMode": "host", "Binds": binds}}
    made = swarm.docker.post("/containers/create", spec, name="outside")
    swarm.docker.post(f"/containers/{made['Id']}/start")
    yield f"{ADDRESS}/school"
    swarm.docker.delete(f"/containers/{made['Id']}", force="1")


def test_what_was_built_is_pushed_to_a_registry_that_asks_for_an_account(
    registry: RunningRegistry, swarm: Swarm, outside: str
) -> None:
    manager = swarm.manager
    image = registry.build("Shared", dockerfile_context("ENV SHARED=yes"))
    name = Push(repository=outside).name_of(image)

    def push(password: str) -> str:
        arguments = [LIMIT_SECONDS, image, name, ACCOUNT]
        return run_step(manager, "push-image.sh", arguments=arguments, standard_input=password)

    with pytest.raises(
        CommandFailed, match=f"image {name}: {ADDRESS} does not let {ACCOUNT} in: .*401 Unauthorized"
    ):
        push("wrong")
    assert f"image {name}: pushed in" in push(PASSWORD)
    # A second time, as after a changed password, nothing is in the way.
    assert f"image {name}: pushed in" in push(PASSWORD)
    tags = json.loads(manager.run(*outside_registry.ask_for_tags("school/shared")))
    assert tags["tags"] == [image.rpartition(":")[2]]
    # It runs on by the name that it had, and neither the other name nor the account stays.
    assert manager.run("docker", "image", "ls", "--quiet", name) == ""
    assert "SHARED=yes" in swarm.docker.get(f"/images/{image}/json")["Config"]["Env"]
    with pytest.raises(CommandFailed, match="no basic auth credentials"):
        manager.run("docker", "pull", name)


def test_a_server_runs_from_requirements_that_were_built_into_an_image(
    registry: RunningRegistry, swarm: Swarm, hub: NativeHub, student: MakeStudent
) -> None:
    image = registry.build("Tiny package", requirements_context("1.0"))
    assert image.startswith("10.77.0.11:5000/tiny-package:")
    said = registry.pull(swarm.nodes[1], image)
    assert f"image {image}: pulled in " in said
    settings = hub.settings()
    # By digest, as components/hub.py does it, a start asks no registry.
    by_digest = pinned(image, read_references(said))
    assert "@sha256:" in by_digest
    settings["user_server"]["environments"][0]["image"] = by_digest
    settings["user_server"]["placement"] = ["node.role==worker"]
    hub.update(settings)
    try:
        swarm.docker.post(f"/containers/{REGISTRY_CONTAINER}/stop")
        student("builder").start()
        swarm.docker.post(f"/containers/{REGISTRY_CONTAINER}/start")
        assert find_container(swarm, "user-builder")[1] == "node-2"
        told = run_inside(swarm, "user-builder", "python3", "-c", "import tiny; print(tiny.version)")
        assert told == "1.0\n"
        # What a student may try from inside: to reach the registry is not among it.
        connect = CONNECT.format(host=swarm.manager.address, port=REGISTRY_PORT)
        assert run_inside(swarm, "user-builder", "python3", "-c", connect) != "open\n"
    finally:
        hub.update()


def test_another_content_is_another_image_and_the_same_is_not_built_again(
    registry: RunningRegistry, swarm: Swarm
) -> None:
    first = registry.build("Changing", dockerfile_context("ENV COLOUR=blue"))
    made = swarm.docker.get(f"/images/{first}/json")
    assert registry.build("Changing", dockerfile_context("ENV COLOUR=blue")) == first
    assert swarm.docker.get(f"/images/{first}/json")["Created"] == made["Created"]
    second = registry.build("Changing", dockerfile_context("ENV COLOUR=red"))
    assert second != first
    worker = swarm.nodes[1]
    for image, colour in ((first, "blue"), (second, "red")):
        registry.pull(worker, image)
        assert f"COLOUR={colour}" in worker.docker.get(f"/images/{image}/json")["Config"]["Env"]


def test_a_tag_that_has_moved_is_followed_when_asked(registry: RunningRegistry, swarm: Swarm) -> None:
    worker = swarm.nodes[1]
    first = registry.build("Moving", dockerfile_context("ENV SIDE=left"))
    second = registry.build("Moving", dockerfile_context("ENV SIDE=right"))
    before = read_references(registry.pull(worker, first))
    swarm.manager.run("docker", "tag", second, first)
    swarm.manager.run("docker", "push", first)
    assert read_references(registry.pull(worker, first)) == before
    moved = read_references(registry.pull(worker, first, "--again", "1"))
    assert moved[first] != before[first]
    assert f"image {first}: here already" in registry.pull(worker, first, "--again", "1")
    # A server that was started from the former one would still find it.
    for reference, side in ((before[first], "left"), (moved[first], "right")):
        found = worker.docker.get(f"/images/{reference}/json")
        assert f"SIDE={side}" in found["Config"]["Env"]


def test_a_build_that_fails_says_so_with_the_end_of_its_log(registry: RunningRegistry) -> None:
    context = dockerfile_context("RUN echo the reason is here >&2 && exit 3")
    with pytest.raises(CommandFailed, match=r"broken:.*: the build failed") as caught:
        registry.build("Broken", context)
    assert "the reason is here" in str(caught.value)
    assert "swarmhub-build-broken.log on the manager" in str(caught.value)


def test_a_build_reaches_no_machine(registry: RunningRegistry, swarm: Swarm) -> None:
    connect = CONNECT.format(host=swarm.nodes[1].address, port=7946)
    own = CONNECT.format(host=swarm.manager.address, port=2377)
    context = dockerfile_context(
        *(f"RUN python3 -c {json.dumps(each)} >>/tmp/reached" for each in (connect, own))
    )
    image = registry.build("Curious", context)
    reached = swarm.manager.run("docker", "run", "--rm", "--network=none", image, "cat", "/tmp/reached")
    assert len(reached.split()) == 2
    assert "open" not in reached


def test_nobody_without_a_certificate_of_the_swarm_gets_an_answer(
    registry: RunningRegistry, swarm: Swarm
) -> None:
    worker = swarm.nodes[1]
    url = f"https://{registry.address}/v2/"
    # With TLS 1.3 a client hears of a refusal only when it reads, and each time in other words.
    known = ("curl", "--silent", "--show-error", "--tls-max", "1.2", "--cacert", "/srv/node/ca.crt")
    (worker.directory / "ca.crt").write_text(registry.access[1].content)
    with pytest.raises(CommandFailed, match="alert"):
        worker.run(*known, url)
    worker.run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/OU=swarm-worker/CN=made-up"),
        *("-keyout", "/tmp/key.pem", "-out", "/tmp/certificate.pem"),
    )
    with pytest.raises(CommandFailed, match="alert"):
        worker.run(*known, "--cert", "/tmp/certificate.pem", "--key", "/tmp/key.pem", url)
    # Docker's key has headers of Docker's, which are nothing to OpenSSL.
    worker.run("sh", "-c", f"sed '/^[a-z-]*: /d; /^$/d' {MEMBER}.key >/tmp/key.pem")
    assert worker.run(*known, "--cert", f"{MEMBER}.crt", "--key", "/tmp/key.pem", url) == "{}"


def test_the_registry_comes_back_with_its_images(registry: RunningRegistry, swarm: Swarm) -> None:
    image = registry.build("Lasting", dockerfile_context("ENV AGE=old"))
    swarm.docker.post(f"/containers/{REGISTRY_CONTAINER}/restart")
    assert "pulled in" in registry.pull(swarm.nodes[1], image)


def test_an_image_of_the_programs_own_is_built_by_the_package_settings_that_a_machine_brings(
    registry: RunningRegistry, swarm: Swarm
) -> None:
    # A base that has the packages, and a list of no sources: nothing is asked of anybody.
    hub = Hub(images=Images(base="swarmhub/front-door:dev"), admins=("ada",))
    context = read_contexts(hub, ["front-door"]).own["front-door"]
    image = f"swarmhub/front-door:{context.digest}"
    arguments = ["keep", image, LIMIT_SECONDS]

    def build(sources: str) -> str:
        return run_step(
            swarm.manager,
            "ensure-built-image.sh",
            arguments=arguments,
            files=[NodeFile(path=settings, content=sources)],
            standard_input=context.archive,
        )

    settings = "/etc/swarmhub-build-secrets/sources.list"
    try:
        with pytest.raises(CommandFailed, match=r"front-door:\w+: the build failed"):
            build("no source\n")
        assert f"image {image.partition('/')[2]}: built in" in build("# none\n")
        assert "here already" in build("# none\n")
    finally:
        swarm.manager.run("rm", "-r", "/etc/swarmhub-build-secrets")
    run = ("docker", "run", "--rm", "--network=none", image)
    assert "nginx.conf" in " ".join(swarm.docker.get(f"/images/{image}/json")["Config"]["Cmd"])
    swarm.manager.run(*run, "nginx", "-v")
    # Of what was mounted, an empty place is left.
    assert swarm.manager.run(*run, "find", "/run/secrets", "-type", "f", "-size", "+0") == ""
