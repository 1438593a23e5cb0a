"""R13 of the test plan (sandbox.md §6.4): hostile project files and archives are refused, in bounded memory,
and nothing is written or read outside of the workspace."""

from __future__ import annotations

import gzip
import io
import os
import resource
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.config.project import load_project
from emulator.model.errors import ConfigError
from emulator.registry.archive import unpack

FUNCTION = (
    "resources:\n  fn:\n    component: fc3\n    props:\n"
    "      region: cn-hangzhou\n      functionName: fn\n      runtime: custom\n      code: ./\n"
)


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n" + FUNCTION


def merge_bomb() -> str:
    lines = ["m0: &m0 {k0: 1}"]
    lines += [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}], k{i}: 1}}" for i in range(1, 12)]
    return "\n".join(lines) + "\n" + FUNCTION


def variable_laughs() -> str:
    lines = ["vars:", "  v0: lollollollol"]
    lines += [f"  v{i}: '" + f"${{vars.v{i - 1}}}" * 10 + "'" for i in range(1, 12)]
    return "\n".join(lines) + "\n" + FUNCTION + "      description: ${vars.v11}\n"


def wide_variables() -> str:
    lines = ["vars:", "  v0: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]
    lines += [f"  v{i}: [" + ", ".join([f"${{vars.v{i - 1}}}"] * 10) + "]" for i in range(1, 12)]
    return "\n".join(lines) + "\n" + FUNCTION + "      tags: ${vars.v11}\n"


REFUSED_YAML: dict[str, str] = {
    "a billion laughs": laughs(9),
    "merge keys that multiply": merge_bomb(),
    "variables that multiply": variable_laughs(),
    "lists of variables that multiply": wide_variables(),
    "100 000 nested lists": "a: " + "[" * 100_000 + "]" * 100_000,
    "100 000 nested mappings": "a: " + "{b: " * 100_000,
    "5 000 nested block lists": "- " * 5_000 + "x",
    "deep by aliases": "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 200))]),
    "an alias of itself": "a: &a {b: *a}\n" + FUNCTION,
    "too many aliases": "a: &a x\nb: [" + "*a, " * 2000 + "]\n" + FUNCTION,
    "too many values": "a: [" + "1," * 200_000 + "]\n" + FUNCTION,
    "too large": "# " + "x" * 1_100_000 + "\n" + FUNCTION,
    "a Python object": "a: !!python/object/apply:os.system ['touch owned']\n" + FUNCTION,
    "a Python module": "a: !!python/module:os\n" + FUNCTION,
    "keys written twice": FUNCTION + "      runtime: python3.10\n",
    "a mapping as a key": "{a: b}: c\n" + FUNCTION,
    "binary": "\x00\x01\x02\x7fELF",
    "not a mapping": "- 1\n- 2\n",
    "no resources": "edition: 3.0.0\nname: x\n",
    "base outside of the project": "extend: ../outside/secret.yaml\n" + FUNCTION,
    "base that is a device": "extend: /dev/zero\n" + FUNCTION,
    "base that extends itself": "extend: ./s.yaml\n" + FUNCTION,
    "only a function with a hostile name": FUNCTION.replace("functionName: fn", "functionName: ../../evil"),
}

READ_YAML: dict[str, str] = {
    "a file outside": FUNCTION + "      description: ${file('../outside/secret.yaml')}\n",
    "a file outside by an absolute path": FUNCTION + "      description: ${file('/etc/passwd')}\n",
    "a file outside by a link": FUNCTION + "      description: ${file('./link')}\n",
    "a device": FUNCTION + "      description: ${file('/dev/zero')}\n",
    "itself": "vars: {a: '${vars.b}', b: '${vars.a}'}\n" + FUNCTION + "      description: ${vars.a}\n",
    "itself, many times": "vars: {a: '" + "${vars.a}" * 50 + "'}\n" + FUNCTION + "      description: ${vars.a}\n",
    "an environment file outside": "env: ../outside/secret.yaml\n" + FUNCTION,
    "a slow pattern": FUNCTION.replace("    props", "    actions: {'pre-${regex(''(a|a)*$'')}': []}\n    props"),
}


def snapshot(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.yaml").write_text("secret: TOPSECRET\n")
    inside = tmp_path / "work"
    inside.mkdir()
    (inside / "link").symlink_to("../outside/secret.yaml")
    return inside


@pytest.mark.parametrize("name", REFUSED_YAML)
def test_a_hostile_project_file_is_refused(name: str, workspace: Path) -> None:
    (workspace / "s.yaml").write_text(REFUSED_YAML[name])
    before = snapshot(workspace.parent)
    with pytest.raises(ConfigError) as caught:
        load_project(workspace, {})
    assert caught.value.place is not None
    assert caught.value.next_step
    assert "TOPSECRET" not in str(caught.value)
    assert snapshot(workspace.parent) == before


@pytest.mark.parametrize("name", READ_YAML)
def test_a_hostile_expression_reads_nothing_outside(name: str, workspace: Path) -> None:
    (workspace / "s.yaml").write_text(READ_YAML[name])
    project = load_project(workspace, {})
    assert "TOPSECRET" not in repr(project)
    assert "root:" not in repr(project)
    assert project.functions[0].description == ""
    assert project.problems or name == "a slow pattern"


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from pathlib import Path
from emulator.config.project import load_project
from emulator.model.errors import ConfigError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load_project(path, {})
    except ConfigError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_the_whole_corpus_stays_in_bounded_memory(tmp_path: Path) -> None:
    """All files in one process: it neither crashes (libyaml's composer would) nor takes 200 MB."""
    texts = {**REFUSED_YAML, **READ_YAML}
    for number, text in enumerate(texts.values()):
        (tmp_path / f"{number:02}.yaml").write_text(text)
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200
    assert len(texts) >= 30
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0


# --- archives ---


def zipped(*entries: tuple[str, bytes, int]) -> bytes:
    """A zip of (name, content, mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(info, content)
    return buffer.getvalue()


def tarred(*members: tuple[str, bytes, str, bytes]) -> bytes:
    """A tar of (name, type, link, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, kind, link, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def broken_index() -> bytes:
    good = bytearray(zipped(("a", b"x" * 1000, 0o100644)))
    good[40:60] = b"\xff" * 20
    return bytes(good)


def lying_header() -> bytes:
    """A tar whose long-name header claims 8 GB, gzipped."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 * 1024**3 - 1
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 5_000_000)


LINK = 0o120777
FILE = 0o100644
HOSTILE_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip: dot dot": lambda: zipped(("../evil", b"x", FILE)),
    "zip: dot dot inside": lambda: zipped(("a/../../evil", b"x", FILE)),
    "zip: absolute": lambda: zipped(("/tmp/evil-of-fclocal", b"x", FILE)),
    "zip: backslashes": lambda: zipped(("..\\..\\evil", b"x", FILE)),
    "zip: drive": lambda: zipped(("C:\\evil", b"x", FILE)),
    "zip: link outside": lambda: zipped(("l", b"../outside", LINK)),
    "zip: absolute link": lambda: zipped(("l", b"/etc/passwd", LINK)),
    "zip: file through a link": lambda: zipped(("l", b"..", LINK), ("l/evil", b"x", FILE)),
    "zip: link made bad by a later link": lambda: zipped(
        ("a", b"d/../outside/secret.yaml", LINK), ("d", b"sub/..", LINK), ("sub/x", b"", FILE)
    ),
    "zip: link to a link that goes up": lambda: zipped(("a", b"b/../outside", LINK), ("b", b".", LINK)),
    "zip: device": lambda: zipped(("dev", b"", 0o020666)),
    "zip: bomb": lambda: zipped(*((f"{i}", b"\0" * 20_000_000, FILE) for i in range(8))),
    "zip: no name": lambda: zipped((".", b"x", FILE)),
    "zip: name of 5000 bytes": lambda: zipped(("/".join(["d" * 240] * 20), b"x", FILE)),
    "zip: file and folder of one name": lambda: zipped(("a", b"x", FILE), ("a/b", b"x", FILE)),
    "zip: broken": broken_index,
    "zip: cut": lambda: zipped(("a", os.urandom(3000), FILE))[:1500],
    "tar: dot dot": lambda: tarred(("../evil", tarfile.REGTYPE, "", b"x")),
    "tar: absolute": lambda: tarred(("/tmp/evil-of-fclocal", tarfile.REGTYPE, "", b"x")),
    "tar: link outside": lambda: tarred(("l", tarfile.SYMTYPE, "../../outside", b"")),
    "tar: file through a link": lambda: tarred(
        ("l", tarfile.SYMTYPE, "..", b""), ("l/evil", tarfile.REGTYPE, "", b"x")
    ),
    "tar: hard link outside": lambda: tarred(("h", tarfile.LNKTYPE, "../outside/secret.yaml", b"")),
    "tar: hard link to nothing": lambda: tarred(("h", tarfile.LNKTYPE, "absent", b"")),
    "tar: fifo": lambda: tarred(("f", tarfile.FIFOTYPE, "", b"")),
    "tar: device": lambda: tarred(("d", tarfile.CHRTYPE, "", b"")),
    "tar: header that claims 8 GB": lying_header,
    "tar: gzip bomb": lambda: gzip.compress(tarred(("z", tarfile.REGTYPE, "", b"\0" * 130_000_000)), 1),
    "tar: cut": lambda: tarred(("a", tarfile.REGTYPE, "", b"x" * 5000))[:2000],
    "no archive": lambda: b"#!/bin/sh\nexit 0\n",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("name", HOSTILE_ARCHIVES)
def test_a_hostile_archive_is_refused(name: str, workspace: Path) -> None:
    packed = workspace / "code.zip"
    packed.write_bytes(HOSTILE_ARCHIVES[name]())
    before = snapshot(workspace.parent)
    with pytest.raises(ConfigError) as caught:
        unpack(packed, workspace / "unpacked")
    assert caught.value.next_step
    assert snapshot(workspace.parent) == before, "nothing is left, neither inside nor outside"
    assert not Path("/tmp/evil-of-fclocal").exists()


def test_the_corpus_of_archives_has_30_files() -> None:
    assert len(HOSTILE_ARCHIVES) >= 30


def test_what_an_archive_may_grow_to_is_counted_while_writing(workspace: Path) -> None:
    """An index may lie downwards as well: the bytes count, not the claim."""
    packed = workspace / "a.tar"
    packed.write_bytes(tarred(*((f"{i}", tarfile.REGTYPE, "", b"x" * 1000) for i in range(20))))
    with pytest.raises(ConfigError, match="grows too large"):
        unpack(packed, workspace / "out", max_bytes=10_000)


def test_too_many_files_are_refused(workspace: Path) -> None:
    packed = workspace / "a.zip"
    packed.write_bytes(zipped(*((f"{i}", b"", FILE) for i in range(200))))
    with pytest.raises(ConfigError, match="too many files"):
        unpack(packed, workspace / "out", max_files=199)
    unpack(packed, workspace / "out", max_files=200)
    assert len(list((workspace / "out").iterdir())) == 200


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_archive_is_unpacked_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    good = data.draw(
        st.sampled_from(
            [
                zipped(("bin/a", b"x" * 300, 0o100755), ("l", b"bin/a", LINK)),
                tarred(("bin/a", tarfile.REGTYPE, "", b"x" * 300), ("l", tarfile.SYMTYPE, "bin/a", b"")),
                gzip.compress(tarred(("a", tarfile.REGTYPE, "", b"x" * 300))),
            ]
        )
    )
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    packed = folder / "a"
    packed.write_bytes(bad)
    try:
        unpack(packed, folder / "out")
    except ConfigError:
        assert not (folder / "out").exists()
    top = os.path.realpath(folder / "out")
    for path in (folder / "out").rglob("*"):
        assert os.path.commonpath((top, os.path.realpath(path))) == top
    assert {path.name for path in folder.iterdir()} <= {"a", "out"}
