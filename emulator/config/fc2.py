"""Props of component fc (FC 2) brought to the shape of fc3 (platform.md §3.3, the mapping of the tool's s2tos3)."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.config.section import parse_json
from emulator.config.tree import Map, Node, Scalar, Seq, empty_map, is_null, map_of, text_node
from emulator.model.function import Place
from emulator.model.gpu_types import SAME_TYPE

# Keys that mean the same in both; the places of the keys go along
SAME_IN_FUNCTION = (
    "description", "runtime", "handler", "memorySize", "cpu", "diskSize", "timeout", "instanceConcurrency",
    "environmentVariables", "layers", "customDNS",
)  # fmt: skip
SAME_IN_SERVICE = ("internetAccess", "logConfig", "vpcConfig", "ossMountConfig", "tracingConfig", "vpcBinding")
NAS_USER_ID = 10003  # FC 2's default where a NAS is mounted


def group(props: Map, key: str) -> Map:
    node = props.get(key)
    return node if isinstance(node, Map) else empty_map(props.at(key))


def service_name(props: Map) -> str:
    name = group(props, "service").get("name")
    return name.text if isinstance(name, Scalar) else ""


def to_fc3(props: Map) -> Map:
    """The props in fc3's shape, with `preFreeze` kept; the service's name is told by `service_name`."""
    function, service = group(props, "function"), group(props, "service")
    fc3 = copy(props, ("region",), empty_map(function.place))
    fc3 = copy(service, SAME_IN_SERVICE, fc3)
    fc3 = copy(function, SAME_IN_FUNCTION, fc3)
    fc3 = _renamed(function, {"name": "functionName", "codeUri": "code"}, fc3)
    fc3 = put(fc3, "role", _role(service), service.at("role"))
    fc3 = put(fc3, "nasConfig", _nas(service, service_name(props)), service.at("nasConfig"))
    fc3 = put(fc3, "instanceLifecycleConfig", _hooks(function), function.at("instanceLifecycleConfig"))
    fc3 = put(fc3, "gpuConfig", _gpu(function), function.at("instanceType"))
    fc3 = put(fc3, "asyncInvokeConfig", _async(function), function.at("asyncConfiguration"))
    fc3 = put(fc3, "triggers", _triggers(props), props.at("triggers"))
    return _program(function, fc3)


def copy(source: Map, keys: Iterable[str], target: Map) -> Map:
    return _renamed(source, {key: key for key in keys}, target)


def put(target: Map, key: str, node: Node | None, place: Place) -> Map:
    return target if node is None or is_null(node) else target.with_entry(key, node, place)


def _renamed(source: Map, names: dict[str, str], target: Map) -> Map:
    for old, new in names.items():
        target = put(target, new, source.get(old), source.at(old))
    return target


def _role(service: Map) -> Node | None:
    role = service.get("role")
    return role.get("name") if isinstance(role, Map) else role


def _nas(service: Map, name: str) -> Node | None:
    nas = service.get("nasConfig")
    if isinstance(nas, Scalar) and nas.text.lower() == "auto":
        address = text_node(f"auto:/{name}", nas.place)
        point = map_of(nas.place, serverAddr=address, mountDir=text_node("/mnt/auto", nas.place))
        nas = map_of(nas.place, mountPoints=Seq((point,), nas.place))
    if not isinstance(nas, Map):
        return nas
    for key in ("userId", "groupId"):
        node = nas.get(key)
        if node is None or (isinstance(node, Scalar) and node.text.strip() in ("", "-1")):
            nas = nas.with_entry(key, Scalar(NAS_USER_ID, str(NAS_USER_ID), nas.place))
    points = nas.get("mountPoints")
    if isinstance(points, Seq):
        items = tuple(_nas_point(p) if isinstance(p, Map) else p for p in points.items)
        nas = nas.with_entry("mountPoints", Seq(items, points.place), nas.at("mountPoints"))
    return nas


def _nas_point(point: Map) -> Map:
    point = _renamed(point, {"fcDir": "mountDir"}, point).without("fcDir")
    address, folder = point.get("serverAddr"), point.get("nasDir")
    if isinstance(address, Scalar) and isinstance(folder, Scalar):
        joined = text_node(f"{address.text}:{folder.text}", address.place)
        point = point.with_entry("serverAddr", joined).without("nasDir")
    return point


def _hooks(function: Map) -> Node | None:
    hooks = group(function, "instanceLifecycleConfig")
    initializer = function.get("initializer")
    if isinstance(initializer, Scalar) and initializer.text:
        made = map_of(initializer.place, handler=initializer, timeout=function.get("initializationTimeout"))
        hooks = hooks.with_entry("initializer", made, function.at("initializer"))
    return hooks if hooks.entries else None


def _gpu(function: Map) -> Node | None:
    kind = function.get("instanceType")
    if not isinstance(kind, Scalar) or not (kind.text.startswith("fc.gpu.") or kind.text in SAME_TYPE):
        return None
    size, entries = function.get("gpuMemorySize"), empty_map(kind.place)
    entries = put(entries, "gpuType", kind, function.at("instanceType"))
    return put(entries, "gpuMemorySize", size, function.at("gpuMemorySize"))


def _async(function: Map) -> Node | None:
    old = function.get("asyncConfiguration")
    if not isinstance(old, Map):
        return None
    new = _renamed(old, {"statefulInvocation": "asyncTask"}, empty_map(old.place))
    new = copy(old, ("maxAsyncEventAgeInSeconds", "maxAsyncRetryAttempts"), new)
    destination = group(old, "destination")
    ends = empty_map(destination.place)
    for key, node in destination.entries.items():
        made = map_of(node.place, destination=node) if isinstance(node, Scalar) else node
        ends = ends.with_entry(key, made, destination.at(key))
    return new.with_entry("destinationConfig", ends, old.at("destination")) if ends.entries else new


def _triggers(props: Map) -> Node | None:
    triggers = props.get("triggers")
    if not isinstance(triggers, Seq):
        return triggers
    names = {"name": "triggerName", "type": "triggerType", "config": "triggerConfig", "role": "invocationRole"}
    items = tuple(
        copy(t, ("qualifier", "sourceArn", "description"), _renamed(t, names, empty_map(t.place)))
        if isinstance(t, Map)
        else t
        for t in triggers.items
    )
    return Seq(items, triggers.place)


def _program(function: Map, fc3: Map) -> Map:
    """Custom runtime or container; FC 2's container `command` is the process, and `args` are its arguments."""
    runtime, port = function.get("runtime"), function.get("caPort")
    health = function.get("customHealthCheckConfig")
    if isinstance(runtime, Scalar) and runtime.text == "custom-container":
        old = group(function, "customContainerConfig")
        made = copy(old, ("image", "accelerationType", "instanceID", "webServerMode"), empty_map(old.place))
        made = put(made, "entrypoint", json_list(old.get("command")), old.at("command"))
        made = put(made, "command", json_list(old.get("args")), old.at("args"))
        key = "customContainerConfig"
    else:
        made, key = group(function, "customRuntimeConfig"), "customRuntimeConfig"
    made = put(made, "port", port, function.at("caPort"))
    made = put(made, "healthCheckConfig", health, function.at("customHealthCheckConfig"))
    return fc3.with_entry(key, made, function.at(key)) if made.entries else fc3


def json_list(node: Node | None) -> Node | None:
    """`'["python", "app.py"]'` as a list; other text is one word, as FC 2 took it; an empty one is nothing."""
    if not isinstance(node, Scalar) or not node.text.strip():
        return node if isinstance(node, Seq) else None
    parsed = parse_json(node.text, node.place)
    return parsed if isinstance(parsed, Seq) else Seq((node,), node.place)
