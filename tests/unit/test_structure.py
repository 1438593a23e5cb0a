"""The house as it was planned: floors, sizes, owners, and documents that say what the code does."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from emulator.cli import docs
from emulator.config.settings import OPTIONS
from emulator.model.events import EVENT_TYPES, KINDS
from emulator.model.lifecycle import MOVES, Signal, State, StopReason
from emulator.model.task import TASK_MOVES, TaskSignal, TaskState

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400
LONGEST_FUNCTION = 40
LINT = "from importlinter.cli import lint_imports_command as main; main(['--no-cache'])"


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    environ = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", LINT], cwd=root, env=environ, capture_output=True, text=True)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def sources(*folders: str, suffixes: tuple[str, ...] = (".py", ".js", ".mjs", ".sh")) -> Iterator[Path]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            hidden = any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
            if path.suffix in suffixes and path.is_file() and not hidden:
                yield path


# --- floors ---


def test_imports_run_downwards_only():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("model/clock.py", "import emulator.journal.journal"),
        ("sandbox/disk.py", "import emulator.runtime.spec"),
        ("triggers/samples.py", "import starlette"),
    ],
)
def test_the_contracts_see_an_import_that_runs_upwards(tmp_path, file, line):
    shutil.copytree(ROOT / "emulator", tmp_path / "emulator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "emulator" / file).open("a") as source:
        source.write(f"\n{line}  # noqa: E402\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1 and "BROKEN" in done.stdout, done.stdout + done.stderr


# --- sizes and owners ---


def test_no_file_is_longer_than_400_lines():
    lengths = {path: len(path.read_text().splitlines()) for path in sources("emulator", "runtimes", "tests", "bench")}
    assert len(lengths) > 200
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_longer_than_40_lines():
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in sources("emulator", "runtimes", suffixes=(".py",))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 1000
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_an_instances_state_has_one_writer():
    writers = set()
    for path in sources("emulator/instance", "emulator/scheduler", suffixes=(".py",)):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Attribute) and node.attr == "state" and isinstance(node.ctx, ast.Store):
                        writers.add((path.name, function.name))
    assert writers == {("instance.py", "__init__"), ("instance.py", "_turn")}


# --- documents ---


@pytest.mark.parametrize("name", docs.PAGES)
def test_a_page_that_is_made_from_the_code_is_up_to_date(name):
    assert page(name) == docs.PAGES[name](), "write it again: python -m emulator.cli.docs"


def test_every_flag_of_every_command_is_documented():
    text = page("commands.md")
    for path, command in docs.walk():
        section = text.split(f"## {path}\n", 1)[1].split("\n## ", 1)[0]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                for flag in (*option.opts, *option.secondary_opts):
                    assert f"`{flag}`" in section, f"{path} {flag}"


def test_every_option_is_documented_with_its_variable_and_key():
    rows = [line for line in page("options.md").splitlines() if line.startswith("| ")]
    for option in OPTIONS.values():
        found = [row for row in rows if f"`{option.flag}`" in row]
        assert len(found) == 1 and f"`{option.variable}`" in found[0] and f"`{option.name}`" in found[0]


def test_every_state_signal_and_reason_is_documented():
    text = page("states.md")
    for words in (State, Signal, StopReason, TaskState, TaskSignal):
        for word in words:
            assert re.search(rf"\| `?{word.value}`? \|", text), word
    instance, task = text.split("## Asynchronous invocation")
    for moves, section in ((MOVES, instance), (TASK_MOVES, task)):
        table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith(("| from", "| `"))]
        head = [cell.strip() for cell in next(row for row in table if row[0].strip() == "from")]
        cells = {
            (row[0].strip(" `"), head[i]): row[i].strip(" `")
            for row in table
            for i in range(1, len(row))
            if len(row) == len(head) and row[i].strip() and row[0].strip() != "from"
        }
        assert cells == {(state.value, signal.value): to.value for (state, signal), to in moves.items()}


def test_every_event_of_the_journal_is_documented():
    text = page("events.md")
    for type_ in EVENT_TYPES:
        section = text.split(f"\n## {KINDS[type_]}\n", 1)[1].split("\n## ", 1)[0]
        for name in type_.__struct_fields__:
            assert f"| `{name}` | " in section, f"{KINDS[type_]}.{name}"


def test_every_error_code_is_documented_with_its_status():
    rows = [line.split("|")[1:3] for line in page("errors.md").splitlines() if re.match(r"\| \d{3} \|", line)]
    documented = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    raised = set(raised_codes())
    assert len(raised) > 20
    assert raised - documented == set()


def raised_codes() -> Iterator[tuple[int, str]]:
    """Status and code of every `FCError` that is made anywhere: of the tree's own classes, and by name."""
    for path in sources("emulator", suffixes=(".py",)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                match [argument.value for argument in node.args if isinstance(argument, ast.Constant)]:
                    case [int() as status, str() as code, *_] if status >= 400 and re.fullmatch(r"[A-Z]\w+", code):
                        yield status, code
                    case [str() as code, *_] if re.fullmatch(r"(CA|Function)\w+", code) and is_start_failure(node):
                        yield 412, code


def is_start_failure(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("StartFailed", "_failed", "__init__")


@pytest.mark.parametrize("path", ["README.md", "README.zh-CN.md", "CHANGELOG.md", "docs"])
def test_links_between_documents_lead_somewhere(path):
    found = ROOT / path
    for file in sorted(found.glob("*.md")) if found.is_dir() else [found]:
        for target in re.findall(r"\]\((?!https?://)([^)#\s]*)[^)]*\)", file.read_text(encoding="utf-8")):
            assert not target or (file.parent / target).exists(), f"{file.name}: {target}"
