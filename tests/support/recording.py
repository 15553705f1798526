"""Runs a Pulumi program against a monitor that creates nothing and records every registration."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest.mock import patch

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks, rpc
from pulumi.runtime import stack as program_stack
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import configure, reset_options
from pulumi.runtime.stack import run_in_stack

PROJECT = "swarmhub"
STACK = "test"
STACK_TYPE = "pulumi:pulumi:Stack"
COMPONENT_PREFIX = "swarmhub:"


class Unknown:
    """A value that is not known before the resource it comes from exists; there is one, ``UNKNOWN``."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class UnexpectedToken(Exception):
    """The program registered a resource or invoked a function that the recording does not know."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registration as the engine would see it; other resources are named by URN.

    ``secret_paths`` are the places in ``inputs`` whose value is secret (``connection.privateKey``);
    the values themselves are plain. ``outputs`` is what a component registered, None when it never did.
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    inputs: Mapping[str, Any]
    secret_paths: frozenset[str]
    dependencies: frozenset[str]
    property_dependencies: Mapping[str, frozenset[str]]
    deleted_with: str
    provider: str
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    custom_timeouts: Mapping[str, str]
    import_id: str
    replacement_trigger: Any
    outputs: Mapping[str, Any] | None = None

    @property
    def aspects(self) -> dict[str, Any]:
        """Everything but the URN, for comparing two recordings."""
        return {name: value for name, value in vars(self).items() if name != "urn"}


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What a program registered, in the order of registration, and what it exported."""

    resources: tuple[Resource, ...]
    exports: Mapping[str, Any]
    secret_exports: frozenset[str]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def by_type(self, type_: str) -> tuple[Resource, ...]:
        """The resources whose type token is ``type_``, or ends in it after a ``:`` (``Instance``)."""
        return tuple(r for r in self.resources if r.type == type_ or r.type.endswith(f":{type_}"))

    def named(self, name: str, type_: str = "") -> Resource:
        """The one resource of that logical name. Raises LookupError when there is none or more than one."""
        found = [r for r in (self.by_type(type_) if type_ else self.resources) if r.name == name]
        if len(found) != 1:
            names = sorted(r.name for r in self.resources)
            raise LookupError(f"{len(found)} resources are named {name!r}; there are {names}")
        return found[0]

    def by_urn(self, urn: str) -> Resource:
        return next(r for r in self.resources if r.urn == urn)

    def children(self, parent: Resource) -> tuple[Resource, ...]:
        return tuple(r for r in self.resources if r.parent == parent.urn)

    def awaits(self, later: Resource, earlier: Resource) -> bool:
        """Whether ``later`` is created only after ``earlier``, directly or through others."""
        seen: set[str] = set()
        open_urns = set(later.dependencies) | (
            {later.provider.rpartition("::")[0]} if later.provider else set()
        )
        while open_urns:
            urn = open_urns.pop()
            if urn == earlier.urn:
                return True
            if urn in seen or not any(r.urn == urn for r in self.resources):
                continue
            seen.add(urn)
            resource = self.by_urn(urn)
            open_urns |= resource.dependencies
            if resource.provider:
                open_urns.add(resource.provider.rpartition("::")[0])
        return False


OutputsOf = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


def number_addresses() -> OutputsOf:
    numbers = itertools.count(50)

    def allocate(_name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"address": f"172.24.4.{next(numbers)}"}

    return allocate


def number_ports() -> OutputsOf:
    numbers = itertools.count(11)

    def allocate(_name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        fixed = [ip["ipAddress"] for ip in inputs.get("fixedIps") or [] if ip.get("ipAddress")]
        return {"allFixedIps": fixed or [f"10.20.0.{next(numbers)}"], "macAddress": "fa:16:3e:00:00:01"}

    return allocate


def nothing(_name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def default_outputs() -> dict[str, OutputsOf]:
    """The type tokens a program may register, with what their provider computes beyond the inputs."""
    return {
        "pulumi:providers:openstack": nothing,
        "pulumi:providers:docker": nothing,
        "openstack:blockstorage/volume:Volume": nothing,
        "openstack:compute/instance:Instance": lambda name, inputs: {"accessIpV4": "10.20.0.11"},
        "openstack:compute/keypair:Keypair": nothing,
        "openstack:compute/servergroup:ServerGroup": nothing,
        "openstack:compute/volumeAttach:VolumeAttach": lambda name, inputs: {"device": "/dev/vdb"},
        "openstack:dns/recordSet:RecordSet": nothing,
        "openstack:networking/floatingIp:FloatingIp": number_addresses(),
        "openstack:networking/floatingIpAssociate:FloatingIpAssociate": nothing,
        "openstack:networking/network:Network": lambda name, inputs: {"mtu": 1450},
        "openstack:networking/port:Port": number_ports(),
        "openstack:networking/router:Router": nothing,
        "openstack:networking/routerInterface:RouterInterface": nothing,
        "openstack:networking/secGroup:SecGroup": nothing,
        "openstack:networking/secGroupRule:SecGroupRule": nothing,
        "openstack:networking/subnet:Subnet": nothing,
        "command:local:Command": lambda name, inputs: {"stdout": "", "stderr": ""},
        "command:remote:Command": lambda name, inputs: {"stdout": "", "stderr": ""},
        "command:remote:CopyToRemote": nothing,
        "docker:index/container:Container": nothing,
        "docker:index/network:Network": nothing,
        "docker:index/secret:Secret": nothing,
        "docker:index/service:Service": nothing,
        "docker:index/serviceConfig:ServiceConfig": nothing,
        "docker:index/volume:Volume": nothing,
    }


def read_value(value: struct_pb2.Value, path: str, secret_paths: set[str]) -> Any:
    """A protobuf value as plain Python; the paths of secrets in it are added to ``secret_paths``."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        signature = fields[rpc._special_sig_key].string_value if rpc._special_sig_key in fields else ""
        if signature == rpc._special_secret_sig:
            secret_paths.add(path)
            return read_value(fields["value"], path, secret_paths)
        if signature == rpc._special_resource_sig:
            return fields["urn"].string_value
        if signature:
            return f"<{signature}>"
        return read_struct(value.struct_value, path, secret_paths)
    if kind == "list_value":
        return [
            read_value(item, f"{path}[{n}]", secret_paths) for n, item in enumerate(value.list_value.values)
        ]
    if kind == "string_value":
        return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def read_struct(struct: struct_pb2.Struct, path: str, secret_paths: set[str]) -> dict[str, Any]:
    prefix = f"{path}." if path else ""
    return {
        name: read_value(value, f"{prefix}{name}", secret_paths)
        for name, value in sorted(struct.fields.items())
    }


class NoMocks(mocks.Mocks):
    """Stands where the base class wants mocks; the recording monitor answers everything itself."""

    def call(self, args: mocks.MockCallArgs) -> NoReturn:
        raise UnexpectedToken(args.token)

    def new_resource(self, args: mocks.MockResourceArgs) -> NoReturn:
        raise UnexpectedToken(args.typ)


class RecordingMonitor(mocks.MockMonitor):
    """Answers as an engine would for a first `up` or, with ``preview``, for its preview."""

    def __init__(
        self,
        *,
        preview: bool,
        outputs: Mapping[str, OutputsOf],
        invokes: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]],
    ) -> None:
        super().__init__(NoMocks())
        self.preview = preview
        self.outputs = default_outputs() | dict(outputs)
        self.invokes = dict(invokes)
        self.requests: list[tuple[str, resource_pb2.RegisterResourceRequest]] = []
        self.registered_outputs: dict[str, struct_pb2.Struct] = {}
        self.unexpected: list[str] = []
        self.stack_urn = ""

    def refuse(self, token: str, name: str) -> NoReturn:
        sentence = f"{token} ({name}) is not among the tokens the recording knows"
        self.unexpected.append(sentence)
        raise UnexpectedToken(sentence)

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == STACK_TYPE:
            self.stack_urn = urn
            return resource_pb2.RegisterResourceResponse(urn=urn)
        self.requests.append((urn, request))
        if not request.custom:
            if not request.type.startswith(COMPONENT_PREFIX):
                self.refuse(request.type, request.name)
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        if request.type not in self.outputs:
            self.refuse(request.type, request.name)
        state = struct_pb2.Struct()
        state.CopyFrom(request.object)
        if self.preview:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=state)
        inputs = read_struct(request.object, "", set())
        state.update({"name": inputs.get("name") or request.name})
        state.update(self.outputs[request.type](request.name, inputs))
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"{request.name}-id", object=state)

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        self.registered_outputs[request.urn] = request.outputs
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        if request.tok not in self.invokes:
            self.refuse(request.tok, "invoke")
        answer = self.invokes[request.tok](read_struct(request.args, "", set()))
        returned = struct_pb2.Struct()
        returned.update(answer)
        return resource_pb2.ResourceInvokeResponse(**{"return": returned})

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> NoReturn:
        self.refuse(request.type, f"read of {request.name}")

    def describe(self) -> Iterable[Resource]:
        for urn, request in self.requests:
            secret_paths: set[str] = set()
            registered = self.registered_outputs.get(urn)
            timeouts = {
                action: getattr(request.customTimeouts, action)
                for action in ("create", "update", "delete")
                if getattr(request.customTimeouts, action)
            }
            yield Resource(
                urn=urn,
                type=request.type,
                name=request.name,
                custom=request.custom,
                parent="" if f"::{STACK_TYPE}::" in request.parent else request.parent,
                inputs=read_struct(request.object, "", secret_paths),
                secret_paths=frozenset(secret_paths),
                dependencies=frozenset(request.dependencies),
                property_dependencies={
                    name: frozenset(value.urns) for name, value in request.propertyDependencies.items()
                },
                deleted_with=request.deletedWith,
                provider=request.provider,
                protect=request.protect,
                retain_on_delete=request.retainOnDelete,
                delete_before_replace=request.deleteBeforeReplace,
                ignore_changes=tuple(request.ignoreChanges),
                replace_on_changes=tuple(request.replaceOnChanges),
                additional_secret_outputs=tuple(request.additionalSecretOutputs),
                custom_timeouts=timeouts,
                import_id=request.importId,
                replacement_trigger=read_value(request.replacement_trigger, "", set()),
                outputs=None if registered is None else read_struct(registered, "", set()),
            )


ONCE_FOR_ALL = SimpleNamespace(**vars(asyncio) | {"FIRST_COMPLETED": asyncio.FIRST_EXCEPTION})


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a recorded run is given besides the program."""

    preview: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    secret_keys: tuple[str, ...] = ()
    outputs: Mapping[str, OutputsOf] = field(default_factory=dict)
    invokes: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = field(default_factory=dict)
    stack: str = STACK

    def run(self, program: Callable[[], Any]) -> Graph:
        """Run ``program`` to its end in an event loop of its own. Raises UnexpectedToken."""
        monitor = RecordingMonitor(preview=self.preview, outputs=self.outputs, invokes=self.invokes)
        features = monitor.GetDeploymentInfo(empty_pb2.Empty())  # type: ignore[no-untyped-call]
        reset_options()
        settings = mocks.MockSettings(
            monitor=monitor,
            engine=mocks.MockEngine(None),
            project=PROJECT,
            stack=self.stack,
            dry_run=self.preview,
            organization="organization",
            monitor_features=set(features.supportedFeatures),
        )
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        configure(settings)
        pulumi.runtime.set_all_config(flatten_config(self.config), list(self.secret_keys))
        try:
            # Pulumi looks at all outputs each time that one is done: here, when all are.
            with patch.object(program_stack, "asyncio", ONCE_FOR_ALL):
                loop.run_until_complete(run_in_stack(program))
        except Exception as error:
            if monitor.unexpected:
                raise UnexpectedToken("; ".join(monitor.unexpected)) from error
            raise
        finally:
            reset_options()
            pulumi.runtime.set_all_config({}, [])
            abandon_tasks(loop)
            loop.close()
            asyncio.set_event_loop(None)
        secret_exports: set[str] = set()
        registered = monitor.registered_outputs.get(monitor.stack_urn, struct_pb2.Struct())
        exports = read_struct(registered, "", secret_exports)
        return Graph(
            resources=tuple(monitor.describe()), exports=exports, secret_exports=frozenset(secret_exports)
        )


def abandon_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Retrieve what a failed program left pending, so that closing the loop reports nothing more."""
    pending = asyncio.all_tasks(loop)
    if not pending:
        return
    for task in pending:
        task.cancel()
    loop.set_exception_handler(lambda _loop, _context: None)
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    gc.collect()


def flatten_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Stack configuration as the engine hands it over: ``project:key`` with objects as JSON."""
    return {
        key if ":" in key else f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }


def record(program: Callable[[], Any], **options: Any) -> Graph:
    """Run ``program`` and return what it registered; ``options`` are the fields of Recording."""
    return Recording(**options).run(program)
