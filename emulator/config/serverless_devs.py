"""Reads Serverless Devs projects: s.yaml of edition 3.0.0 and the older layout with `services` (platform.md §3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from emulator.config import dotenv, fc2
from emulator.config.actions import build_steps, distinct
from emulator.config.checks import fix_keys, move_fc2_keys
from emulator.config.domains import domain, of_function, routes
from emulator.config.fc3 import Context, Defaults, build_function
from emulator.config.paths import OutsideProject, inside, real
from emulator.config.schema import DOMAIN, FC2, FC3
from emulator.config.section import Report, Section
from emulator.config.tree import Map, Node, Scalar, Seq, drop, empty_map, find, merge
from emulator.config.variables import Scope, Variables
from emulator.config.yaml_guard import load_file
from emulator.model.errors import ConfigError
from emulator.model.function import Api, BuildStep, CustomDomain, Function, FunctionName

FC2_DEFAULTS = Defaults(memory_mb=512, timeout=60.0)  # platform.md §3.3
MAX_EXTENDS = 8
_COMPONENT = re.compile(r"(?:devsapp/)?(?P<name>fc3-domain|fc3|fc)(?:@.*)?\Z")


class Loaded:
    """What has been read so far."""

    def __init__(self) -> None:
        self.functions: list[Function] = []
        self.domains: list[CustomDomain] = []


def is_serverless_devs(document: Map) -> bool:
    return any(isinstance(document.get(key), Map) for key in ("resources", "services")) or (
        isinstance(document.get("extend"), Scalar)
    )


def load(document: Map, file: Path, context: Context, env: Mapping[str, str], report: Report) -> Loaded:
    """Functions and domains of a document. Raises `ConfigError` where the file itself can not be used."""
    document = _with_base(document, file, context.root, file.name, report)
    document = _with_overlays(document, context, report)
    key = "resources" if isinstance(document.get("resources"), Map) else "services"
    resources = document.get(key)
    if not isinstance(resources, Map) or not resources.entries:
        raise ConfigError("names no resources", "add `resources:` with a function", document.at(key))
    resources = _with_templates(resources, document, report)
    document = document.with_entry(key, resources, document.at(key))
    return _Reader(document, resources, context, env, report).read()


# --- putting the document together ---


def _with_base(document: Map, file: Path, root: Path, shown: str, report: Report, depth: int = 0) -> Map:
    """`extend: other.yaml` at the top: this file laid over the other."""
    node = document.get("extend")
    if not isinstance(node, Scalar) or not node.text:
        return document
    if depth >= MAX_EXTENDS:
        raise ConfigError("`extend` goes in a circle", "let one of the files end it", document.at("extend"))
    try:
        path = inside(root, str(file.parent / node.text))
    except OutsideProject:
        raise ConfigError(
            f"`extend: {node.text}` lies outside of the project's folder",
            "copy the file beside this one, or start from a folder that holds both",
            document.at("extend"),
        ) from None
    report.depends(path)
    base = load_file(path, node.text)
    if not isinstance(base, Map):
        raise ConfigError(f"`extend: {node.text}` is no project file", "name a YAML mapping", document.at("extend"))
    merged = merge(_with_base(base, path, root, node.text, report, depth + 1), document.without("extend"))
    return merged if isinstance(merged, Map) else document


def _with_overlays(document: Map, context: Context, report: Report) -> Map:
    """`env: ./env.yaml`: the default environment's overlays for components and resources."""
    node = document.get("env")
    if not isinstance(node, Scalar) or not node.text:
        return document
    try:
        path = inside(context.root, node.text)
    except OutsideProject:
        report.warn(f"`env: {node.text}` lies outside of the project's folder and is not read", document.at("env"))
        return document
    report.depends(path)
    if not path.is_file():
        report.warn(f"`env: {node.text}` does not exist, so no environment is applied", document.at("env"))
        return document
    environments = load_file(path, node.text)
    overlays = _default_overlays(environments, report) if isinstance(environments, Map) else None
    resources = document.get("resources")
    if overlays is None or not isinstance(resources, Map):
        return document
    for name, resource in resources.entries.items():
        if isinstance(resource, Map):
            resources = resources.with_entry(name, _overlaid(name, resource, overlays), resources.at(name))
    return document.with_entry("resources", resources, document.at("resources"))


def _default_overlays(environments: Map, report: Report) -> Map | None:
    wanted = environments.get("defaultEnvironment")
    listed = environments.get("environments")
    items = [item for item in listed.items if isinstance(item, Map)] if isinstance(listed, Seq) else []
    if not isinstance(wanted, Scalar) or not wanted.text:
        report.warn("no `defaultEnvironment` is named, so no environment is applied", environments.place)
        return None
    for item in items:
        name = item.get("name")
        if isinstance(name, Scalar) and name.text == wanted.text:
            overlays = item.get("overlays")
            return overlays if isinstance(overlays, Map) else None
    report.warn(f"environment `{wanted.text}` is not among `environments`", environments.at("defaultEnvironment"))
    return None


def _overlaid(name: str, resource: Map, overlays: Map) -> Map:
    component = resource.get("component")
    kind = component.text.split("@")[0] if isinstance(component, Scalar) else ""
    props: Node | None = resource.get("props")
    for path in (("components", kind), ("resources", name)):
        over = find(overlays, path)
        if isinstance(over, Map):
            props = merge(props, over.get("props") if isinstance(over.get("props"), Map) else over)
    return resource.with_entry("props", props, resource.at("props")) if props is not None else resource


def _with_templates(resources: Map, document: Map, report: Report) -> Map:
    """`extend: {name, ignore}` of a resource: its props laid over the template's, arrays replaced."""
    templates = document.get("template")
    for name, resource in resources.entries.items():
        if not isinstance(resource, Map) or "extend" not in resource.entries:
            continue
        extend = resource.entries["extend"]
        wanted = find(extend, ("name",)) if isinstance(extend, Map) else extend
        template = find(templates, (wanted.text,)) if isinstance(wanted, Scalar) else None
        if not isinstance(template, Map):
            shown = wanted.text if isinstance(wanted, Scalar) else ""
            report.warn(f"template `{shown}` does not exist", resource.at("extend"))
            continue
        ignored = find(extend, ("ignore",))
        for item in ignored.items if isinstance(ignored, Seq) else ():
            template = drop(template, item.text) if isinstance(item, Scalar) else template
        props = merge(template, resource.get("props"))
        if props is not None:
            resources = resources.with_entry(
                name, resource.with_entry("props", props, resource.at("props")), resources.at(name)
            )
    return resources


# --- reading the resources ---


class _Reader:
    def __init__(self, document: Map, resources: Map, context: Context, env: Mapping[str, str], report: Report) -> None:
        self._document = document
        self._resources = resources
        self._context = context
        self._env = {**dotenv.load(context.root / ".env"), **env}
        self._report = report
        report.depends(context.root / ".env")
        self._variables = Variables(context.root, document, report, context.account)
        self._loaded = Loaded()
        self._global_steps = build_steps(self._rendered_actions(document, empty_map(document.place)), context.root)

    def read(self) -> Loaded:
        for name, resource in self._resources.entries.items():
            if isinstance(resource, Map):
                self._resource(name, resource)
            else:
                self._report.warn(f"resource `{name}` is no mapping; it is left out", self._resources.at(name))
        return self._loaded

    def _resource(self, name: str, resource: Map) -> None:
        component = self._component(name, resource)
        props = resource.get("props")
        if isinstance(props, Scalar) and component:
            props = self._variables.render(props, Scope(resource, self._env))
        if not component or not isinstance(props, Map):
            if component:
                self._report.warn(f"resource `{name}` has no `props`; it is left out", self._resources.at(name))
            return
        rendered = self._rendered(resource, props, component)
        own_steps = build_steps(self._rendered_actions(resource, resource), self._context.root)
        steps = distinct((*self._global_steps, *own_steps))
        if component == "fc3":
            self._fc3(rendered, steps)
        elif component == "fc":
            self._fc2(rendered, steps)
        else:
            self._domain(name, rendered)

    def _component(self, name: str, resource: Map) -> str:
        node = resource.get("component")
        text = node.text if isinstance(node, Scalar) else ""
        if match := _COMPONENT.match(text.strip()):
            return match["name"]
        props = resource.get("props")
        if text.startswith((".", "/", "${path(")) and isinstance(props, Map):  # a component under development
            if isinstance(props.get("function"), Map) and isinstance(props.get("service"), Map | Scalar):
                return "fc"
            if "runtime" in props.entries or isinstance(props.get("function"), Map):
                return "fc3"
        what = f"resource `{name}` has no `component`"
        if text:
            what = f"component `{text}` of resource `{name}` is not emulated"
        self._report.drop(what, resource.at("component"))
        return ""

    def _rendered(self, resource: Map, props: Map, component: str) -> Map:
        """The props with their values; `.env` in the code folder counts too, so `code` is rendered first."""
        env = self._env
        code = find(props, ("function", "codeUri")) if component == "fc" else props.get("code")
        if code is not None and component != "fc3-domain":
            node = self._variables.render(code, Scope(resource, env))
            folder = self._code_folder(node)
            if folder is not None:
                self._report.depends(folder / ".env")
                env = {**dotenv.load(folder / ".env"), **env}
        rendered = self._variables.render(props, Scope(resource, env))
        return rendered if isinstance(rendered, Map) else empty_map(props.place)

    def _code_folder(self, code: Node) -> Path | None:
        source = find(code, ("src",)) if isinstance(code, Map) else code
        if not isinstance(source, Scalar) or not source.text:
            return None
        try:
            path = real(self._context.root, source.text)
        except OutsideProject:
            return None
        return path if path.is_dir() else None

    def _rendered_actions(self, holder: Map, this: Map) -> Section:
        actions = holder.get("actions")
        if isinstance(actions, Map):
            holder = holder.with_entry("actions", self._variables.render(actions, Scope(this, self._env)))
        return Section(holder, self._report)

    def _fc3(self, props: Map, steps: tuple[BuildStep, ...]) -> None:
        props = fix_keys(move_fc2_keys(props, self._report), FC3, self._report)
        section = Section(props, self._report)
        function = build_function(section, self._context, build=steps)
        if function is None:
            return
        self._loaded.functions.append(function)
        self._add(of_function(section, function.name))

    def _fc2(self, props: Map, steps: tuple[BuildStep, ...]) -> None:
        props = fix_keys(props, FC2, self._report)
        service = fc2.service_name(props)
        if not service:
            self._report.warn("`service.name` is missing; `default` is used", props.at("service"))
            service = "default"
        if isinstance(props.get("function"), Map):
            function = build_function(
                Section(fc2.to_fc3(props), self._report),
                self._context,
                api=Api.FC2,
                service=service,
                defaults=FC2_DEFAULTS,
                build=steps,
            )
            if function is not None:
                self._loaded.functions.append(function)
        else:
            function = None
            self._report.warn("there is no `function` in these props", props.place)
        own = function.name if function is not None else FunctionName("", service)
        for entry in Section(props, self._report).sections("customDomains"):
            self._add(domain(entry, routes(entry, "routeConfigs", own), str(own)))

    def _domain(self, name: str, props: Map) -> None:
        section = Section(fix_keys(props, DOMAIN, self._report), self._report)
        self._add(domain(section, routes(section.section("routeConfig"), "routes"), name))

    def _add(self, found: CustomDomain | None) -> None:
        if found is not None:
            self._loaded.domains.append(found)
