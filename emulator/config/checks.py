"""Finds misspelt keys and FC 2 keys under fc3, names the nearest right one, and uses it where that is safe."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.config.schema import FC2_UNDER_FC3, FC2_UNDER_FC3_TRIGGER, Kind, ListOf, Shape
from emulator.config.section import Report, as_number
from emulator.config.tree import Map, Node, Scalar, Seq, empty_map, find
from emulator.model.function import Place
from emulator.model.gpu_types import SAME_TYPE
from emulator.model.spelling import likeness, similar

SIMILAR = 0.75


def fix_keys(node: Map, shape: Mapping[str, Shape], report: Report, path: str = "") -> Map:
    """The mapping with its keys put right; each change, and each key that is not known, is a problem."""
    fixed = node
    for key in node.entries:
        if key in shape:
            fixed = _fix_child(fixed, key, shape[key], report, path)
            continue
        near = nearest(key, shape)
        value = node.entries[key]
        if near and near not in node.entries and fits(value, shape[near]):
            report.warn(f"`{_dotted(path, key)}` is no key of Function Compute; it is read as `{near}`", node.at(key))
            fixed = fixed.without(key).with_entry(near, value, node.at(key))
            fixed = _fix_child(fixed, near, shape[near], report, path)
        else:
            hint = f"; did you mean `{near}`?" if near else ""
            report.warn(f"`{_dotted(path, key)}` is no key of Function Compute and is ignored{hint}", node.at(key))
    return fixed


def _fix_child(node: Map, key: str, shape: Shape, report: Report, path: str) -> Map:
    value = node.entries[key]
    if isinstance(shape, Kind):
        return node
    if isinstance(shape, ListOf):
        if not isinstance(value, Seq):
            return node
        items = tuple(
            fix_keys(item, shape, report, f"{_dotted(path, key)}[{i}]") if isinstance(item, Map) else item
            for i, item in enumerate(value.items)
        )
        return node.with_entry(key, Seq(items, value.place), node.at(key))
    if isinstance(value, Map):
        return node.with_entry(key, fix_keys(value, shape, report, _dotted(path, key)), node.at(key))
    return node


def _dotted(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def nearest(key: str, known: Mapping[str, object]) -> str:
    """The one known key that is near: equal but for case and separators, else clearly similar; or nothing."""
    folded = {fold(k): k for k in known}
    if fold(key) in folded:
        return folded[fold(key)]
    close = similar(fold(key), folded, 2, SIMILAR)
    if len(close) == 2 and likeness(fold(key), close[0]) - likeness(fold(key), close[1]) < 0.05:
        return ""
    return folded[close[0]] if close else ""


def fold(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def fits(node: Node, shape: Shape) -> bool:
    """True where the value could be what the key holds."""
    if isinstance(shape, ListOf) or shape is Kind.LIST:
        return isinstance(node, Seq)
    if isinstance(shape, Mapping) or shape is Kind.MAP:
        return isinstance(node, Map)
    if shape is Kind.ANY:
        return True
    if not isinstance(node, Scalar):
        return False
    if shape is Kind.NUMBER:
        return as_number(node) is not None
    return shape is Kind.TEXT or isinstance(node.value, bool)


def move_fc2_keys(props: Map, report: Report) -> Map:
    """fc3 props with the keys of FC 2 put where FC 3 has them."""
    props = _lift_function(props, report)
    runtime = props.get("runtime")
    container = isinstance(runtime, Scalar) and runtime.text == "custom-container"
    for key in props.entries:
        old = key if key in FC2_UNDER_FC3 else next((k for k in FC2_UNDER_FC3 if fold(k) == fold(key)), "")
        if not old:
            continue
        target = FC2_UNDER_FC3[old]
        if container:
            target = target.replace("customRuntimeConfig", "customContainerConfig")
        props = _move(props, key, target, report)
    triggers = props.get("triggers")
    if isinstance(triggers, Seq):
        items = tuple(_move_trigger(item, report) if isinstance(item, Map) else item for item in triggers.items)
        props = props.with_entry("triggers", Seq(items, triggers.place), props.at("triggers"))
    return props


def _lift_function(props: Map, report: Report) -> Map:
    """`function: {...}` around the props, as FC 2 and the first fc3 releases wrote them."""
    group = props.get("function")
    if not isinstance(group, Map):
        return props
    report.warn("`function` is a group of FC 2; under fc3 its keys stand directly in `props`", props.at("function"))
    for key, node in group.entries.items():
        if key not in props.entries:
            props = props.with_entry(key, node, group.at(key))
    return props.without("function")


def _move(props: Map, key: str, target: str, report: Report) -> Map:
    value, place = props.entries[key], props.at(key)
    is_gpu = isinstance(value, Scalar) and (value.text.startswith("fc.gpu.") or value.text in SAME_TYPE)
    if key == "instanceType" and is_gpu:
        target = "gpuConfig.gpuType"
    if not target:
        report.warn(f"`{key}` is a key of FC 2; FC 3 has nothing like it, so it is ignored", place)
        return props.without(key)
    steps = tuple(target.split("."))
    if find(props, steps) is not None:
        report.warn(f"`{key}` is a key of FC 2 and is ignored, since `{target}` is there", place)
        return props.without(key)
    report.warn(f"`{key}` is a key of FC 2; it is read as `{target}`", place)
    return _put(props.without(key), steps, value, place)


def _put(node: Map, steps: tuple[str, ...], value: Node, where: Place) -> Map:
    if len(steps) == 1:
        return node.with_entry(steps[0], value, where)
    child = node.get(steps[0])
    below = child if isinstance(child, Map) else empty_map(where)
    return node.with_entry(steps[0], _put(below, steps[1:], value, where), node.keys.get(steps[0], where))


def _move_trigger(trigger: Map, report: Report) -> Map:
    for old, new in FC2_UNDER_FC3_TRIGGER.items():
        if old in trigger.entries and new not in trigger.entries:
            report.warn(f"`{old}` is a trigger's key of FC 2; it is read as `{new}`", trigger.at(old))
            trigger = trigger.without(old).with_entry(new, trigger.entries[old], trigger.at(old))
    return trigger
