"""The project's own files change while `fclocal start` runs: declarations, variables, layers, functions."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.test_reload import reply, revisions
from tests.support.command import Running, Workshop, eventually

SHOWS = "import os\ndef handler(event, context):\n    return os.environ.get('GREETING', 'none')\n"


def refused(running: Running) -> list[dict[str, Any]]:
    return [e for e in running.events() if e["kind"] == "revision_refused"]


def variables(**values: str) -> dict[str, Any]:
    return {"environmentVariables": values}


def test_a_changed_declaration_makes_a_revision(workshop: Workshop) -> None:
    workshop.project(SHOWS, hello=variables(GREETING="one"), other={})
    with workshop.started("--json") as running:
        assert [running.call(name)[1] for name in ("hello", "other")] == ["one", "none"]
        workshop.project(SHOWS, hello=variables(GREETING="two"), other={})
        assert [running.call(name)[1] for name in ("hello", "other")] == ["two", "none"]
        assert [e["files"] for e in revisions(running, "hello", 2)] == [[], ["s.yaml"]]
        assert len(revisions(running, "other", 1)) == 1


def test_variables_in_files_beside_it_count(workshop: Workshop) -> None:
    workshop.project(SHOWS, hello=variables(GREETING="${env('GREETING', 'none')}"))
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "none"
        workshop.write({".env": "GREETING=dotenv\n"})
        assert running.call("hello")[1] == "dotenv"
        workshop.write({".fclocal.yaml": "functions: {hello: {environment: {GREETING: settings}}}\n"})
        assert running.call("hello")[1] == "settings"
        workshop.write({".fclocal.yaml": "keep_alive: 5\n"})
        assert running.call("hello")[1] == "dotenv"
        running.until(lambda e: e["kind"] == "notice" and e["message"] == "to change keep_alive, stop and start again")


def test_a_broken_project_file_changes_nothing_and_is_told_with_its_line(workshop: Workshop) -> None:
    workshop.project(SHOWS, hello=variables(GREETING="one"))
    good = (workshop.root / "s.yaml").read_text()
    with workshop.started("--json") as running:
        for count, text in enumerate((good + "\n  : [", good.replace("python3.10", "cobol")), 1):
            workshop.write({"s.yaml": text})
            assert running.call("hello")[1] == "one"
            told = running.until(lambda e: e["kind"] == "revision_refused", count)
            assert told[-1]["place"].startswith("s.yaml") and told[-1]["message"]
        workshop.write({"s.yaml": good.replace("GREETING: one", "GREETING: two")})
        assert running.call("hello")[1] == "two"
        assert len(refused(running)) == 2


def test_functions_come_and_go(workshop: Workshop) -> None:
    workshop.project(reply("first"), hello={})
    http = {"triggers": [{"triggerName": "t", "triggerType": "http", "triggerConfig": {"authType": "anonymous"}}]}
    workshop.write({"new/index.py": 'def handler(event, context):\n    return {"statusCode": 200, "body": "new"}\n'})
    with workshop.started("--json") as running:
        assert running.call("second")[0] == 404
        workshop.project(reply("first"), hello={}, second={"code": "./new", **http})
        assert json.loads(running.call("second", "{}")[1])["body"] == "new"
        assert running.http("GET", "/", headers={"Host": f"second.localhost:{running.port}"})[:2] == (200, "new")
        eventually(lambda: "second" in workshop.endpoint_file.read_text(), "the endpoint file names it")
        workshop.write({"new/index.py": reply("newer")})
        assert running.call("second")[1] == "newer"
        workshop.project(reply("first"), second={"code": "./new"})
        assert running.call("hello")[0] == 404
        assert running.call("second")[1] == "newer"


def test_a_layer_that_changes_makes_a_revision(workshop: Workshop) -> None:
    layer = "acs:fc:cn-hangzhou:123456789:layers/tools/versions/1"
    workshop.project("import tool\ndef handler(event, context):\n    return tool.NAME\n", hello={"layers": [layer]})
    tool = ".fclocal/layers/tools/python/tool.py"
    workshop.write({tool: 'NAME = "hammer"\n'})
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "hammer"
        workshop.write({tool: 'NAME = "pliers"\n'})
        assert running.call("hello")[1] == "pliers"
        assert [e["files"] for e in revisions(running, "hello", 2)][1] == ["layer tools"]


def test_a_link_to_the_code_may_lead_elsewhere(workshop: Workshop) -> None:
    workshop.project("", hello={"code": "./current"})
    workshop.write({"releases/1/index.py": reply("one"), "releases/2/index.py": reply("two")})
    link = workshop.root / "current"
    link.symlink_to("releases/1")
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "one"
        workshop.write({"releases/1/index.py": reply("uno")})
        assert running.call("hello")[1] == "uno"
        fresh = workshop.root / "fresh"
        fresh.symlink_to("releases/2")
        fresh.rename(link)
        assert running.call("hello")[1] == "two"


def test_an_archive_that_is_packed_again_is_unpacked_again(workshop: Workshop) -> None:
    workshop.project("", hello={"code": "./code.zip"})
    for text in ("one", "two"):
        workshop.write({"code/index.py": reply(text)})
        shutil.make_archive(str(workshop.root / f"{text}"), "zip", workshop.root / "code")
    archive = workshop.root / "code.zip"
    shutil.copy(workshop.root / "one.zip", archive)
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "one"
        shutil.copy(workshop.root / "two.zip", archive)
        assert running.call("hello")[1] == "two"


def test_a_program_that_was_installed_is_seen_without_a_look_into_node_modules(workshop: Workshop) -> None:
    code = 'exports.handler = (event, context, callback) => callback(null, require("dep"))\n'
    workshop.project("", hello={"runtime": "nodejs20"})
    workshop.write({"code/index.js": code, "code/node_modules/dep/index.js": 'module.exports = "one"\n'})
    with workshop.started("--json") as running:
        assert running.call("hello")[1] == "one"
        workshop.write({"code/node_modules/dep/index.js": 'module.exports = "two"\n'})
        workshop.write({"code/node_modules/.package-lock.json": "{}"})
        assert revisions(running, "hello", 2)[1]["total"] == 2
        assert running.call("hello")[1] == "two"


# --- code that can not run ---


def test_a_syntax_error_keeps_the_old_revision_and_says_where_it_is(workshop: Workshop) -> None:
    workshop.project("import helper\ndef handler(event, context):\n    return helper.NAME\n", hello={})
    workshop.write({"code/helper.py": 'NAME = "one"\n'})
    with workshop.started() as running:
        assert running.call("hello")[1] == "one"
        workshop.write({"code/helper.py": 'NAME = "two"\ndef broken(:\n    pass\n'})
        assert running.call("hello")[1] == "one"
        told = "fclocal: hello was not reloaded; revision 1 stays: code/helper.py:2: SyntaxError: invalid syntax\n"
        eventually(lambda: told + "    def broken(:\n" in running.out, lambda: running.out)
        workshop.write({"code/other.py": "x = 1\n"})
        assert running.call("hello")[1] == "one"
        workshop.write({"code/helper.py": 'NAME = "three"\n'})
        assert running.call("hello")[1] == "three"
        eventually(lambda: "fclocal: reloaded hello (2 files, revision 2)\n" in running.out, lambda: running.out)


@pytest.mark.parametrize("suffix", [".js", ".mjs"])
def test_a_syntax_error_of_a_script_keeps_the_old_revision_too(workshop: Workshop, suffix: str) -> None:
    index, part = {
        ".js": ('exports.handler = async () => require("./part");\n', 'module.exports = "%s";\n'),
        ".mjs": (
            'import part from "./part.mjs";\nexport const handler = async () => part;\n',
            'export default "%s";\n',
        ),
    }[suffix]
    workshop.project(hello={"runtime": "nodejs20"})
    workshop.write({f"code/index{suffix}": index, f"code/part{suffix}": part % "one", "code/page.js": "<App/>\n"})
    with workshop.started() as running:
        assert running.call("hello")[1] == "one"
        workshop.write({f"code/part{suffix}": f"const a = 1;\nconst = 2;\n{part % 'two'}", "code/page.js": "<Page/>"})
        assert running.call("hello")[1] == "one"
        where = f"code/part{suffix}:2: SyntaxError: Unexpected token '='\n    const = 2;\n"
        told = f"fclocal: hello was not reloaded; revision 1 stays: {where}"
        eventually(lambda: told in running.out, lambda: running.out)
        workshop.write({f"code/part{suffix}": part % "three"})
        assert running.call("hello")[1] == "three"


def test_what_nobody_imports_may_be_as_it_likes(workshop: Workshop) -> None:
    workshop.project(reply("one"), hello={})
    with workshop.started("--json") as running:
        workshop.write({"code/draft.py": "def (", "code/index.py": reply("two")})
        assert running.call("hello")[1] == "two"


def test_the_functions_own_interpreter_decides_what_is_wrong(workshop: Workshop) -> None:
    """`print` as a statement is right to 2.7 alone, `:=` to 3.8 and later."""
    workshop.project(reply("one"), new={"runtime": "python3.10"}, old={"runtime": "python3"})
    with workshop.started("--json") as running:
        assert [running.call(name)[1] for name in ("new", "old")] == ["one", "one"]
        workshop.write({"code/index.py": 'def handler(event, context):\n    return (x := "two")\n'})
        assert [running.call(name)[1] for name in ("new", "old")] == ["two", "one"]
        assert [(e["function"], e["place"]) for e in refused(running)] == [("old", "code/index.py:2")]


# --- where the kernel does not tell ---


LOW_LIMIT = 'echo 6 > /proc/sys/user/max_inotify_watches && exec "$0" "$@"'


def test_too_few_watches_are_told_and_the_tree_is_polled(tmp_path: Path) -> None:
    command = ("unshare", "--user", "--map-root-user", "sh", "-c", LOW_LIMIT, sys.executable, "-m", "emulator")
    workshop = Workshop(tmp_path, command)
    done = workshop.run("--version")
    if done.returncode:
        pytest.skip(f"no user namespace with a limit of its own: {done.stderr.strip()}")
    workshop.project(reply("first"), hello={})
    for number in range(20):
        workshop.write({f"code/folder{number}/data": ""})
    with workshop.started("--json", "--walls", "plain") as running:
        told = running.until(lambda e: e["kind"] == "notice" and "sysctl fs.inotify.max_user_watches" in e["message"])
        assert str(workshop.root / "code") in told[0]["message"]
        workshop.write({"code/index.py": reply("second")})
        assert revisions(running, "hello", 2)[1]["files"] == ["index.py"]
        assert running.call("hello")[1] == "second"


def test_it_can_be_switched_off(workshop: Workshop) -> None:
    workshop.project(reply("first"), hello={})
    with workshop.started("--json", "--no-reload") as running:
        assert running.call("hello")[1] == "first"
        workshop.write({"code/index.py": reply("second")})
        project = yaml.safe_load((workshop.root / "s.yaml").read_text())
        project["resources"]["hello"]["props"]["timeout"] = 9
        workshop.write({"s.yaml": yaml.safe_dump(project)})
        assert running.call("hello")[1] == "first"
        assert len(revisions(running, "hello", 1)) == 1
