"""Fun's template.yml brought to the shape of fc3 (platform.md §3.4)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from emulator.config.checks import nearest
from emulator.config.fc2 import NAS_USER_ID, group, json_list, put
from emulator.config.section import Report
from emulator.config.tree import Map, Node, Scalar, Seq, empty_map, map_of, text_node

SERVICE = "Aliyun::Serverless::Service"
FUNCTION = "Aliyun::Serverless::Function"
DOMAIN = "Aliyun::Serverless::CustomDomain"
WITHOUT_LOCAL_MEANING = frozenset(f"Aliyun::Serverless::{n}" for n in ("Api", "Log", "TableStore", "MNSTopic"))

# Fun's key → FC 3's key
FUNCTION_KEYS = {
    "Handler": "handler", "Runtime": "runtime", "CodeUri": "code", "Description": "description",
    "MemorySize": "memorySize", "Timeout": "timeout", "EnvironmentVariables": "environmentVariables",
    "InstanceConcurrency": "instanceConcurrency", "Layers": "layers",
}  # fmt: skip
KNOWN_IN_FUNCTION = frozenset(
    {
        *FUNCTION_KEYS, "Initializer", "InitializationTimeout", "InstanceType", "CAPort", "CustomContainerConfig",
        "CustomRuntimeConfig", "InstanceLifecycleConfig", "AsyncConfiguration",
    }
)  # fmt: skip
EVENT_TYPES = {
    "HTTP": "http", "Timer": "timer", "OSS": "oss", "Log": "log", "MNSTopic": "mns_topic",
    "TableStore": "tablestore", "CDN": "cdn_events", "RDS": "rds",
}  # fmt: skip


class Declared(Struct, frozen=True):
    """One function of a template: its service, and its props in fc3's shape."""

    service: str
    props: Map


def functions(document: Map, report: Report) -> Iterator[Declared]:
    for name, resource in _resources(document):
        kind = _text(resource.get("Type"))
        if kind == SERVICE:
            yield from _of_service(name, resource, report)
        elif kind == FUNCTION:
            report.drop(f"`{name}` is a function outside of a service; it is left out", resource.place)
        elif kind != DOMAIN and kind not in WITHOUT_LOCAL_MEANING:
            report.warn(f"resource `{name}` of type `{kind}` is not emulated", resource.place)


def domains(document: Map) -> Iterator[Map]:
    """Custom domains in the shape of component fc3-domain, with `serviceName` in the routes."""
    for name, resource in _resources(document):
        if _text(resource.get("Type")) != DOMAIN:
            continue
        properties = group(resource, "Properties")
        routes = []
        for path, node in _routes(properties).entries.items():
            if isinstance(node, Map):
                route = _lower(node)
                routes.append(route.with_entry("path", text_node(path, node.place)))
        domain_name = properties.get("DomainName") or text_node(name, resource.place)
        yield map_of(
            resource.place,
            domainName=domain_name,
            routeConfig=map_of(properties.place, routes=Seq(tuple(routes), properties.place)),
        )


def _routes(properties: Map) -> Map:
    """`RouteConfig: {Routes: …}`, which templates also write `routes`; the oldest have `Routes` alone."""
    config = group(_lower(properties), "routeConfig")
    return group(config if config.entries else _lower(properties), "routes")


def _resources(document: Map) -> Iterator[tuple[str, Map]]:
    for name, resource in group(document, "Resources").entries.items():
        if isinstance(resource, Map):
            yield name, resource


def _of_service(service: str, resource: Map, report: Report) -> Iterator[Declared]:
    shared = group(resource, "Properties")
    for name, node in resource.entries.items():
        if not isinstance(node, Map) or name == "Properties":
            continue
        if _text(node.get("Type")) != FUNCTION:
            report.warn(f"`{name}` in service `{service}` is no function; its `Type` must be `{FUNCTION}`", node.place)
            continue
        yield Declared(service, _function(name, node, shared, report))


def _function(name: str, node: Map, shared: Map, report: Report) -> Map:
    properties = _fix_keys(group(node, "Properties"), report)
    props = map_of(node.place, functionName=text_node(name, node.place))
    for old, new in FUNCTION_KEYS.items():
        props = put(props, new, properties.get(old), properties.at(old))
    role = shared.get("Role")
    props = put(props, "role", role, shared.at("Role"))
    if isinstance(log := shared.get("LogConfig"), Map):
        props = put(props, "logConfig", _lower(log), shared.at("LogConfig"))
    props = put(props, "nasConfig", _nas(shared), shared.at("NasConfig"))
    props = put(props, "instanceLifecycleConfig", _hooks(properties), properties.at("InstanceLifecycleConfig"))
    asynchronous = properties.get("AsyncConfiguration") or shared.get("AsyncConfiguration")
    if isinstance(asynchronous, Map):
        props = put(props, "asyncInvokeConfig", _async(asynchronous), properties.at("AsyncConfiguration"))
    props = put(props, "triggers", _events(node, report), node.at("Events"))
    return _program(properties, props)


def _fix_keys(properties: Map, report: Report) -> Map:
    fixed = properties
    for key in properties.entries:
        if key in KNOWN_IN_FUNCTION:
            continue
        place = properties.at(key)
        near = nearest(key, dict.fromkeys(KNOWN_IN_FUNCTION))
        if near and near not in properties.entries:
            report.warn(f"`{key}` is no key of a function in template.yml; it is read as `{near}`", place)
            fixed = fixed.with_entry(near, properties.entries[key], place)
        else:
            report.warn(f"`{key}` is no key of a function in template.yml and is ignored", place)
    return fixed


def _nas(shared: Map) -> Node | None:
    nas = shared.get("NasConfig")
    if isinstance(nas, Scalar) and nas.text.lower() == "auto":
        point = map_of(nas.place, serverAddr=text_node("auto:/", nas.place), mountDir=text_node("/mnt/auto", nas.place))
        return _with_user(map_of(nas.place, mountPoints=Seq((point,), nas.place)))
    return _with_user(_lower(nas)) if isinstance(nas, Map) else None


def _with_user(nas: Map) -> Map:
    for key in ("userId", "groupId"):
        node = nas.get(key)
        if node is None or _text(node) in ("", "-1"):
            nas = nas.with_entry(key, Scalar(NAS_USER_ID, str(NAS_USER_ID), nas.place))
    return nas


def _hooks(properties: Map) -> Node | None:
    hooks = _lower(group(properties, "InstanceLifecycleConfig"))
    initializer = properties.get("Initializer")
    if isinstance(initializer, Scalar) and initializer.text:
        made = map_of(initializer.place, handler=initializer, timeout=properties.get("InitializationTimeout"))
        hooks = hooks.with_entry("initializer", made, properties.at("Initializer"))
    return hooks if hooks.entries else None


def _async(node: Map) -> Map:
    old = _lower(node)
    made = empty_map(node.place)
    for source, target in (
        ("maxAsyncEventAgeInSeconds", "maxAsyncEventAgeInSeconds"),
        ("maxAsyncRetryAttempts", "maxAsyncRetryAttempts"),
        ("statefulInvocation", "asyncTask"),
    ):
        made = put(made, target, old.get(source), old.at(source))
    ends = empty_map(node.place)
    for key, end in group(old, "destination").entries.items():
        ends = ends.with_entry(key, map_of(end.place, destination=end) if isinstance(end, Scalar) else end)
    return made.with_entry("destinationConfig", ends) if ends.entries else made


def _events(function: Map, report: Report) -> Node | None:
    events = function.get("Events")
    if not isinstance(events, Map):
        return None
    triggers: list[Node] = []
    for name, event in events.entries.items():
        if not isinstance(event, Map):
            continue
        kind = _text(event.get("Type"))
        config = _lower(group(event, "Properties"))
        trigger = map_of(
            event.place,
            triggerName=text_node(name, event.place),
            triggerType=text_node(EVENT_TYPES.get(kind, kind), event.place),
            triggerConfig=config.without("invocationRole", "qualifier", "sourceArn"),
        )
        triggers.append(put(trigger, "qualifier", config.get("qualifier"), event.place))
    return Seq(tuple(triggers), events.place)


def _program(properties: Map, props: Map) -> Map:
    port = properties.get("CAPort")
    if _text(properties.get("Runtime")) == "custom-container":
        old = group(properties, "CustomContainerConfig")
        made = map_of(
            old.place,
            image=old.get("Image"),
            entrypoint=json_list(old.get("Command")),
            command=json_list(old.get("Args")),
            webServerMode=old.get("WebServerMode"),
            accelerationType=old.get("AccelerationType"),
            instanceID=old.get("InstanceID"),
            port=port,
        )
        return put(props, "customContainerConfig", made, properties.at("CustomContainerConfig"))
    made = put(_lower(group(properties, "CustomRuntimeConfig")), "port", port, properties.at("CAPort"))
    return put(props, "customRuntimeConfig", made, properties.at("CAPort")) if made.entries else props


def _lower(node: Map) -> Map:
    """Fun's capitalised keys as FC's API writes them (`MountPoints` → `mountPoints`), all the way down."""
    entries: dict[str, Node] = {}
    for key, child in node.entries.items():
        if isinstance(child, Map):
            child = _lower(child)
        elif isinstance(child, Seq):
            child = Seq(tuple(_lower(c) if isinstance(c, Map) else c for c in child.items), child.place)
        entries[key[:1].lower() + key[1:]] = child
    return Map(entries, node.place, {k[:1].lower() + k[1:]: p for k, p in node.keys.items()})


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
