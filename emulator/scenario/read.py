"""Reads a scenario file; everything that is wrong with it is told with its line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from msgspec.structs import replace

from emulator.config.settings import did_you_mean
from emulator.config.tree import Map, Node, Scalar, Seq, is_null
from emulator.config.yaml_guard import load_file
from emulator.model.durations import show_duration
from emulator.model.errors import ConfigError, UserError
from emulator.model.function import Place
from emulator.scenario.fields import Fields, duration, fail, no_unknown, text, whole
from emulator.scenario.judge import Condition, read_conditions
from emulator.scenario.load import read_calls
from emulator.scenario.steps import (
    Action,
    Alias,
    Check,
    Cold,
    Idle,
    Parallel,
    Publish,
    Reclaim,
    Redeploy,
    Repeat,
    Scenario,
    Step,
    Wait,
)

T = TypeVar("T")
TOP = ("function", "event", "seed", "steps", "assert")
MOST_TIMES = 10_000
MOST_SEED = 2**63


def read_scenario(path: Path, shown: str, functions: Sequence[str]) -> Scenario:
    """`functions` are those of the project, in FC's form. Raises `ConfigError`; all that is wrong is in its text."""
    if path.is_dir():
        fail("this is a folder, not a scenario", "name the file in it", Place(shown))
    tree = load_file(path, shown)
    if not isinstance(tree, Map):
        fail("a scenario is a mapping", "write `steps:` and a list of steps", tree.place)
    return _Reader(tree, path.parent, functions).scenario()


class _Reader:
    def __init__(self, tree: Map, folder: Path, functions: Sequence[str]) -> None:
        self._tree = tree
        self._functions = functions
        self._problems: list[UserError] = []
        self._defaults = Fields(functions, folder)

    def scenario(self) -> Scenario:
        tree = self._tree
        self._try(lambda: no_unknown(tree, TOP, "a scenario"))
        self._try(lambda: self._take_defaults(tree))
        seed = self._try(lambda: whole(tree, "seed", 0, 0, MOST_SEED)) or 0
        steps = self._steps(tree.get("steps"), tree.at("steps"))
        conditions = self._conditions(tree.get("assert"))
        if self._problems:
            raise self._problem()
        return Scenario(steps, conditions, seed)

    def _take_defaults(self, tree: Map) -> None:
        self._defaults = replace(self._defaults, default=self._defaults.function(tree, ""), event=tree.get("event"))

    def _try(self, read: Callable[[], T]) -> T | None:
        """What is wrong in one place does not hide what is wrong in another."""
        try:
            return read()
        except UserError as error:
            self._problems.append(error)
            return None

    def _problem(self) -> ConfigError:
        first, *others = self._problems
        if not others:
            return ConfigError(first.message, first.next_step, first.place)
        # Each with its own next step, behind its own line.
        own = UserError(first.message, first.next_step)
        return ConfigError("\n".join(str(error) for error in (own, *others)), "", first.place)

    # --- steps ---

    def _steps(self, node: Node | None, place: Place) -> tuple[Step, ...]:
        if not isinstance(node, Seq) or not node.items:
            self._problems.append(ConfigError("`steps` must be a list of steps", "write `- cold`, …", place))
            return ()
        found = (self._try(functools.partial(self._step, item)) for item in node.items)
        return tuple(step for step in found if step is not None)

    def _step(self, node: Node) -> Step:
        if isinstance(node, Seq):
            fail("a step is a word or a mapping, not a list", "write `- cold` or `- calls: 20`", node.place)
        if isinstance(node, Scalar):
            return self._made(node.text, None, node.place, ())
        conditions = self._conditions(node.get("assert"))
        actions = [key for key in node.entries if key != "assert"]
        for key in actions:
            if key not in _ACTIONS:
                known = (*_ACTIONS, "assert")
                fail(
                    f"there is no step `{key}`", did_you_mean(key, known) or f"steps: {', '.join(known)}", node.at(key)
                )
        if not actions and conditions:
            return Step(Check(), "assert", node.place, conditions)
        if len(actions) != 1:
            what = "has no action" if not actions else f"has more than one action: {', '.join(actions)}"
            fail(f"this step {what}", "begin each step with a dash of its own", node.place)
        return self._made(actions[0], node.get(actions[0]), node.at(actions[0]), conditions)

    def _made(self, name: str, node: Node | None, place: Place, conditions: tuple[Condition, ...]) -> Step:
        make = _ACTIONS.get(name)
        if make is None:
            fail(f"there is no step `{name}`", did_you_mean(name, _ACTIONS) or f"steps: {', '.join(_ACTIONS)}", place)
        action, shown = make(self, node, place)
        return Step(action, f"{name} {shown}".rstrip(), place, conditions)

    def _conditions(self, node: Node | None) -> tuple[Condition, ...]:
        if node is None:
            return ()
        found: list[Condition] = []
        for item in node.items if isinstance(node, Seq) else (node,):
            found += self._try(functools.partial(self._condition, item)) or ()
        return tuple(found)

    def _condition(self, node: Node) -> tuple[Condition, ...]:
        if not isinstance(node, Scalar):
            fail("an assertion is one line of text", "write `- p95 < 2 s`", node.place)
        try:
            read = read_conditions(node.text, node.place)
        except ValueError as error:
            fail(str(error), "", node.place)
        named = self._defaults.named
        return tuple(replace(it, function=named(it.function, it.place)) if it.function else it for it in read)

    # --- actions: each gives itself, and what is shown of it behind its name ---

    def _calls(self, node: Node | None, place: Place) -> tuple[Action, str]:
        return read_calls(self._defaults, node, place)

    def _burst(self, node: Node | None, place: Place) -> tuple[Action, str]:
        return read_calls(self._defaults, node, place, burst=True)

    def _cold(self, node: Node | None, place: Place) -> tuple[Action, str]:
        return Cold(name := self._one_or_all(node)), name

    def _reclaim(self, node: Node | None, place: Place) -> tuple[Action, str]:
        return Reclaim(name := self._one_or_all(node)), name

    def _redeploy(self, node: Node | None, place: Place) -> tuple[Action, str]:
        return Redeploy(name := self._one_or_all(node)), name

    def _one_or_all(self, node: Node | None) -> str:
        return "" if node is None or is_null(node) else self._defaults.named(text(node, "a function"), node.place)

    def _publish(self, node: Node | None, place: Place) -> tuple[Action, str]:
        name = self._one_or_all(node) or self._defaults.chosen(place)
        return Publish(name), name

    def _alias(self, node: Node | None, place: Place) -> tuple[Action, str]:
        if not isinstance(node, Map):
            fail("`alias` needs its name and a version", "write `alias: {name: prod, to: 2}`", place)
        no_unknown(node, ("name", "to", "function", "weights"), "`alias`")
        names = {key: node.get(key) for key in ("name", "to")}
        for key, value in names.items():
            if value is None:
                fail(f"`alias` needs `{key}`", "write `alias: {name: prod, to: 2}`", place)
        name, to = (text(value, f"`{key}`") for key, value in names.items() if value is not None)
        function = self._defaults.function(node, "") or self._defaults.chosen(place)
        return Alias(function, name, to, _weights(node)), f"{name} → {to}"

    def _idle(self, node: Node | None, place: Place) -> tuple[Action, str]:
        seconds = duration(node, "idle", place)
        return Idle(seconds), show_duration(seconds)

    def _wait(self, node: Node | None, place: Place) -> tuple[Action, str]:
        seconds = duration(node, "wait", place)
        return Wait(seconds), show_duration(seconds)

    def _repeat(self, node: Node | None, place: Place) -> tuple[Action, str]:
        if not isinstance(node, Map):
            fail("`repeat` needs `times` and `steps`", "write `repeat: {times: 3, steps: [...]}`", place)
        no_unknown(node, ("times", "steps"), "`repeat`")
        times = whole(node, "times", None, 1, MOST_TIMES)
        return Repeat(times, self._steps(node.get("steps"), node.place)), f"{times} times"

    def _parallel(self, node: Node | None, place: Place) -> tuple[Action, str]:
        if not isinstance(node, Seq) or not node.items:
            fail("`parallel` is a list of branches", "give each branch a list of steps", place)
        branches = tuple(self._steps(it if isinstance(it, Seq) else Seq((it,), it.place), place) for it in node.items)
        return Parallel(branches), f"{len(branches)} branch{'es' if len(branches) > 1 else ''}"


def _weights(node: Map) -> tuple[tuple[str, float], ...]:
    weights = node.get("weights")
    if weights is None:
        return ()
    if not isinstance(weights, Map) or len(weights.entries) > 1:
        fail("`weights` has one version and its share", "write `weights: {'2': 0.1}`", node.at("weights"))
    found = []
    for version, share in weights.entries.items():
        value = share.value if isinstance(share, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            fail("a share is a number from 0 to 1", "write `weights: {'2': 0.1}`", share.place)
        found.append((version, float(value)))
    return tuple(found)


Made = tuple[Action, str]
_ACTIONS: Mapping[str, Callable[[_Reader, Node | None, Place], Made]] = MappingProxyType(
    {
        "cold": _Reader._cold,
        "calls": _Reader._calls,
        "burst": _Reader._burst,
        "idle": _Reader._idle,
        "wait": _Reader._wait,
        "reclaim": _Reader._reclaim,
        "redeploy": _Reader._redeploy,
        "publish": _Reader._publish,
        "alias": _Reader._alias,
        "repeat": _Reader._repeat,
        "parallel": _Reader._parallel,
    }
)
