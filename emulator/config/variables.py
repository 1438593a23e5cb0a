"""Puts values in place of `${...}` (platform.md §3.1.1): variables, environment, files and other resources.

An unset variable or an unknown name is a `Problem` with its place, where the official tool stops: the value of an
unset variable is empty, an unknown expression stays as it is written.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from emulator.config import expressions
from emulator.config.expressions import Call, Expression, Literal, Reference
from emulator.config.paths import OutsideProject, inside, read_text, real
from emulator.config.section import Report, parse_json
from emulator.config.tree import Map, Node, Scalar, Seq, as_text, empty_map, find, text_node
from emulator.config.yaml_guard import load_text
from emulator.model.errors import ConfigError
from emulator.model.function import Account, Place
from emulator.model.spelling import similar

MAX_RENDERED_NODES = 100_000
MAX_RENDERED_CHARACTERS = 2 * 1024 * 1024
MAX_CHAIN = 32
RESOURCE_KEYS = ("resources", "services")


class Scope(Struct, frozen=True):
    """Where an expression stands: the resource it belongs to (`this`), and the environment that it sees."""

    this: Map
    env: Mapping[str, str]


class Variables:
    """Renders the nodes of one document. `root` is the folder of the project file; files outside are refused."""

    def __init__(self, root: Path, document: Map, report: Report, account: Account | None = None) -> None:
        self._root = root
        self._document = document
        self._report = report
        self._account = account or Account()
        self._nodes = 0
        self._characters = 0
        self._active: list[tuple[int, tuple[str, ...]]] = []
        self._functions: dict[str, Callable[[Call, list[Node], Scope, Place], Node | None]] = {
            "env": self._env,
            "config": self._config,
            "file": self._file,
            "json": self._json,
            "yaml": self._yaml,
            "path": self._path,
            "str": self._str,
            "base64": self._base64,
            "secret": self._secret,
            "regex": self._regex,
        }

    def render(self, node: Node, scope: Scope) -> Node:
        """The node with every expression replaced. Raises `ConfigError` where that grows without bounds."""
        self._spend(node)
        if isinstance(node, Scalar):
            return self._scalar(node, scope) if expressions.has_expression(node.text) else node
        if isinstance(node, Seq):
            return Seq(tuple(self.render(item, scope) for item in node.items), node.place)
        return Map({key: self.render(child, scope) for key, child in node.entries.items()}, node.place, node.keys)

    def _spend(self, node: Node) -> None:
        self._nodes += 1
        self._characters += len(node.text) if isinstance(node, Scalar) else 0
        if self._nodes > MAX_RENDERED_NODES or self._characters > MAX_RENDERED_CHARACTERS:
            raise ConfigError("grows too large when its variables are written out", "simplify them", node.place)

    def _scalar(self, node: Scalar, scope: Scope) -> Node:
        pieces = expressions.split(node.text)
        if len(pieces) == 1 and isinstance(pieces[0], tuple):
            return self._expression(pieces[0][0], scope, node.place)
        parts: list[str] = []
        for piece in pieces:
            part = piece if isinstance(piece, str) else as_text(self._expression(piece[0], scope, node.place))
            self._spend(text_node(part, node.place))
            parts.append(part)
        return text_node("".join(parts), node.place)

    def _expression(self, source: str, scope: Scope, place: Place) -> Node:
        expression = expressions.parse(source)
        value = None if expression is None else self._value(expression, scope, place)
        if value is None:
            if expression is None:
                self._report.warn(f"`${{{source[:80]}}}` is not understood; it stays as it is written", place)
            return text_node(f"${{{source}}}", place)
        self._spend(value)
        return value

    def _value(self, expression: Expression, scope: Scope, place: Place) -> Node | None:
        if isinstance(expression, Literal):
            return self.render(text_node(expression.text, place), scope)
        if isinstance(expression, Reference):
            return self._reference(expression, scope, place)
        function = self._functions.get(expression.function)
        if function is None:
            near = similar(expression.function, self._functions)
            hint = f" (did you mean `{near[0]}`?)" if near else ""
            self._report.warn(f"`${{{expression.source}}}`: no such function{hint}; it stays as it is written", place)
            return None
        values = [self._value(argument, scope, place) for argument in expression.arguments]
        return function(expression, [v if v is not None else text_node("", place) for v in values], scope, place)

    # --- names ---

    def _reference(self, reference: Reference, scope: Scope, place: Place) -> Node | None:
        head, *rest = reference.path
        if head == "this":
            return self._found(scope.this, tuple(rest), reference, scope, place)
        if head == "vars":
            return self._found(self._document.get("vars") or empty_map(place), tuple(rest), reference, scope, place)
        resources = next((r for k in RESOURCE_KEYS if isinstance(r := self._document.get(k), Map)), empty_map(place))
        if head in RESOURCE_KEYS and rest:
            head, *rest = rest
        if isinstance(resource := resources.get(head), Map):
            return self._of_resource(resource, tuple(rest), reference, scope, place)
        near = similar(head, ["vars", "this", "resources", *resources.entries])
        hint = f" (did you mean `{near[0]}`?)" if near else ""
        self._report.warn(f"`${{{reference.source}}}` is not found{hint}; it stays as it is written", place)
        return None

    def _of_resource(
        self, resource: Map, path: tuple[str, ...], reference: Reference, scope: Scope, place: Place
    ) -> Node | None:
        """`output` is known only after a deployment, but what it repeats of `props` is known now."""
        scope = Scope(resource, scope.env)
        if path[:1] == ("output",):
            node = find(resource, ("props", *path[1:]))
            return self._found(resource, ("props", *path[1:]), reference, scope, place) if node is not None else None
        return self._found(resource, path, reference, scope, place)

    def _found(self, top: Node, path: tuple[str, ...], reference: Reference, scope: Scope, place: Place) -> Node | None:
        wanted = (id(top), path)
        if wanted in self._active or len(self._active) >= MAX_CHAIN:
            self._report.warn(f"`${{{reference.source}}}` refers to itself; its value is empty", place)
            return text_node("", place)
        self._active.append(wanted)
        try:
            node = self._step(top, path, scope)
            if node is not None:
                return self.render(node, scope)
        finally:
            self._active.pop()
        self._report.warn(f"`${{{reference.source}}}` is not found; its value is empty", place)
        return text_node("", place)

    def _step(self, node: Node | None, path: tuple[str, ...], scope: Scope) -> Node | None:
        for step in path:
            if isinstance(node, Scalar) and expressions.has_expression(node.text):
                node = self._scalar(node, scope)
            node = find(node, (step,))
        return node

    # --- functions ---

    def _env(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        name = as_text(values[0]) if values else ""
        if name in scope.env:
            return text_node(scope.env[name], place)
        if len(values) > 1:
            return values[1]
        self._report.warn(
            f"environment variable `{name}` is not set, so its value is empty; set it, or write it into .env", place
        )
        return text_node("", place)

    def _secret(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        name = as_text(values[0]) if values else ""
        if name in scope.env:
            return text_node(scope.env[name], place)
        self._report.warn(
            f"secret `{name}` is not known here, so its value is empty; set an environment variable of that name",
            place,
        )
        return text_node("", place)

    def _config(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        """Credential fields of the emulated account; real credentials are never read."""
        name = as_text(values[0]) if values else ""
        account = self._account
        known = {
            "accountid": account.account_id,
            "accesskeyid": account.access_key_id,
            "accesskeysecret": account.access_key_secret,
            "securitytoken": account.security_token,
            "region": account.region,
        }
        if name.lower() not in known:
            self._report.warn(f"`${{{call.source}}}`: no such credential field; its value is empty", place)
        return text_node(known.get(name.lower(), ""), place)

    def _file(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        name = as_text(values[0]) if values else ""
        try:
            path = inside(self._root, name)
            self._report.depends(path)
            content = text_node(read_text(path), place)
            self._spend(content)
            return content
        except OutsideProject:
            problem = "lies outside of the project's folder and is not read"
        except UnicodeDecodeError:
            problem = "is not UTF-8 text"
        except OSError as error:
            problem = f"can not be read ({(error.strerror or 'error').lower()})"
        except ValueError as error:
            problem = str(error)
        self._report.warn(f"`${{{call.source}}}`: `{name}` {problem}; its value is empty", place)
        return text_node("", place)

    def _json(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        node = values[0] if values else text_node("", place)
        if not isinstance(node, Scalar) or not node.text.strip():
            return node
        parsed = parse_json(node.text, place)
        if parsed is None:
            self._report.warn(f"`${{{call.source}}}`: this is not JSON; its value is empty", place)
            return text_node("", place)
        return parsed

    def _yaml(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        node = values[0] if values else text_node("", place)
        if not isinstance(node, Scalar) or not node.text.strip():
            return node
        try:
            return load_text(node.text, call.source)
        except ConfigError as error:
            self._report.warn(f"`${{{call.source}}}`: {error.message}; its value is empty", place)
            return text_node("", place)

    def _path(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node | None:
        try:
            return text_node(str(real(self._root, as_text(values[0]) if values else ".")), place)
        except OutsideProject:
            return None

    def _str(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        return text_node(as_text(values[0]) if values else "", place)

    def _base64(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        text = as_text(values[0]) if values else ""
        return text_node(base64.b64encode(text.encode()).decode(), place)

    def _regex(self, call: Call, values: list[Node], scope: Scope, place: Place) -> Node:
        return text_node(as_text(values[0]) if values else "", place)
