"""`fclocal build` and `--build`: steps run once, with the function's interpreter, and what they make is used."""

from __future__ import annotations

import contextlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.command import Workshop, eventually
from tests.support.samples import build

HANDLER = "import sys\n\ndef handler(event, context):\n    return {'version': sys.version_info[:2], 'made': %r}\n"
FUNCTION = """
    component: fc3
    actions:
      pre-deploy: {steps}
    props:
      region: cn-hangzhou
      functionName: {name}
      runtime: {runtime}
      handler: index.handler
      code: ./{code}
      timeout: 30
"""


@pytest.fixture
def project(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "project")


def s_yaml(*functions: str, steps: str = "[]") -> str:
    head = f"edition: 3.0.0\nname: build\naccess: default\nactions:\n  pre-deploy: {steps}\nresources:\n"
    return head + "".join(f"  f{number}:{text}" for number, text in enumerate(functions))


def function(name: str = "hello", steps: str = "[]", runtime: str = "python3.10", code: str = "code") -> str:
    return FUNCTION.format(name=name, steps=steps, runtime=runtime, code=code)


def test_code_that_a_step_makes_is_loaded_after_it(project: Workshop) -> None:
    make = "[{run: mkdir -p dist && cp src/index.py dist/}]"
    project.write({"s.yaml": s_yaml(function(steps=make, code="dist")), "src/index.py": HANDLER % "by the step"})
    before = project.run("invoke")
    assert before.returncode != 0
    assert "pre-deploy steps that were not run: `mkdir -p dist && cp src/index.py dist/`" in before.stderr
    built = project.run("invoke", "--build")
    assert (built.returncode, json.loads(built.stdout)["made"]) == (0, "by the step"), built.stderr
    assert "does not exist" not in built.stderr
    # A second build replaces what the first has made.
    project.write({"src/index.py": HANDLER % "again"})
    with project.started("--build") as running:
        assert json.loads(running.call("hello")[1])["made"] == "again"


def test_the_command_of_the_settings_makes_what_a_fresh_checkout_lacks(project: Workshop) -> None:
    """Behind the steps of the project file, in the project's folder."""
    steps = "[{run: echo step > order}]"
    project.write({"s.yaml": s_yaml(function(steps=steps, code="dist")), "src/index.py": HANDLER % "by the command"})
    command = "sh -c 'cat order && mkdir -p dist && cp src/index.py dist/'"
    project.write({".fclocal.yaml": f"functions:\n  hello:\n    build: {command}\n"})
    assert project.run("invoke").returncode != 0, "nothing is built unless it is asked for"
    done = project.run("build")
    assert done.returncode == 0 and "step" in done.stderr, done.stderr
    assert json.loads(project.run("invoke").stdout)["made"] == "by the command"


def test_a_step_that_functions_share_runs_once(project: Workshop) -> None:
    count = "{run: echo run >> runs.txt}"
    project.write(
        {
            "s.yaml": s_yaml(function("a", f"[{count}]"), function("b"), function("c"), steps=f"[{count}]"),
            "code/index.py": HANDLER % "",
        }
    )
    assert project.run("build").returncode == 0
    assert (project.root / "runs.txt").read_text() == "run\n"


def test_steps_run_with_the_interpreter_of_the_function(project: Workshop) -> None:
    ask = "python3 -c 'import sys; print(list(sys.version_info[:2]))' > version.txt; pip --version > pip.txt"
    project.write(
        {"s.yaml": s_yaml(function(steps=f'[{{run: "{ask}", path: ./code}}]')), "code/index.py": HANDLER % ""}
    )
    build(project)
    version = json.loads((project.root / "code" / "version.txt").read_text())
    assert f"(python {version[0]}.{version[1]})" in (project.root / "code" / "pip.txt").read_text()
    answer = project.run("invoke", "-e", "{}")
    assert json.loads(answer.stdout)["version"] == version, answer.stderr


def test_a_step_that_fails_ends_the_build_with_its_place(project: Workshop) -> None:
    steps = "[{run: echo to be seen && exit 3}, {run: touch never}]"
    project.write({"s.yaml": s_yaml(function(steps=steps)), "code/index.py": HANDLER % ""})
    for command in (("build",), ("invoke", "--build")):
        done = project.run(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "to be seen" in done.stderr
        assert (
            "s.yaml:10: the build step `echo to be seen && exit 3` of function hello ended with exit code 3"
            in done.stderr
        )
    assert not (project.root / "never").exists()


def test_a_step_may_be_allowed_to_fail(project: Workshop) -> None:
    steps = "[{run: exit 3, allow_failure: true}, {run: touch after}]"
    project.write({"s.yaml": s_yaml(function(steps=steps)), "code/index.py": HANDLER % ""})
    assert project.run("build").returncode == 0
    assert (project.root / "after").exists()


def test_what_a_step_left_in_the_background_goes_with_it(project: Workshop) -> None:
    steps = "[{run: sleep 1000 & echo $! > pid}]"
    project.write({"s.yaml": s_yaml(function(steps=steps)), "code/index.py": HANDLER % ""})
    assert project.run("build").returncode == 0
    stat = Path("/proc", (project.root / "pid").read_text().strip(), "stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_nothing_to_build(project: Workshop) -> None:
    project.write({"s.yaml": s_yaml(function()), "code/index.py": HANDLER % ""})
    done = project.run("build")
    assert done.returncode == 0 and "Nothing to build" in done.stderr


def write_wheel(folder: Path) -> None:
    """A package of one module, `thing`, which pip installs without asking an index."""
    info = "thing-1.dist-info"
    files = {
        "thing.py": "NAME = 'from 3rd-packages'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{name},,\n" for name in ("thing.py", f"{info}/METADATA", f"{info}/WHEEL")),
    }
    with zipfile.ZipFile(folder / "thing-1-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


@pytest.mark.parametrize("steps", ["[]", "[{component: fc3 build --use-docker}]", "[{run: s build}]"])
def test_a_manifest_is_installed_as_s_build_does(project: Workshop, steps: str) -> None:
    variables = "      environmentVariables: {PYTHONPATH: /code/3rd-packages}\n"
    project.write(
        {
            "s.yaml": s_yaml(function(steps=steps)),
            "code/index.py": "import thing\n\ndef handler(event, context):\n    return thing.NAME\n",
            "code/requirements.txt": "./thing-1-py3-none-any.whl\n",
        }
    )
    write_wheel(project.root / "code")
    before = project.run("invoke")
    assert "`pip install -t 3rd-packages -r requirements.txt --upgrade`" in before.stderr
    assert "was not run, and what it makes is missing; `--build` runs it" in before.stderr
    project.env["PIP_NO_INDEX"] = "1"
    done = build(project)
    assert "is not emulated" not in done.stderr
    assert (
        "hello finds what was installed by `PYTHONPATH: /code/3rd-packages` in its environmentVariables" in done.stderr
    )
    project.write({"s.yaml": s_yaml(function(steps=steps) + variables)})
    after = project.run("invoke")
    assert (after.returncode, after.stdout) == (0, "from 3rd-packages"), after.stderr
    assert "was not run" not in after.stderr


def test_nothing_of_a_build_outlives_its_kill(workshop: Workshop) -> None:
    """Neither what left the step's session nor the folder with the interpreters."""
    word = f"{workshop.root}/step"
    script = f"import os, time; open({word!r}, 'w').write(os.environ['PATH']); time.sleep(1000)"
    workshop.write(
        {
            "code/index.py": "def handler(event, context):\n    return event\n",
            "code/step.py": script,
            "s.yaml": (
                "edition: 3.0.0\nname: kill\naccess: default\nresources:\n  f:\n    component: fc3\n    actions:\n"
                "      pre-deploy:\n        - run: setsid python3 code/step.py & sleep 1000\n"
                "    props:\n      region: cn-hangzhou\n      functionName: f\n      runtime: python3.10\n"
                "      handler: index.handler\n      code: ./code\n"
            ),
        }
    )
    with subprocess.Popen(
        [*workshop.command, "build"], cwd=workshop.root, env=workshop.environ(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as build:  # fmt: skip
        step = Path(word)
        eventually(lambda: step.exists() and step.read_text(), "the step runs")
        folder = Path(step.read_text().partition(":")[0])
        assert folder.is_dir() and working_in(workshop.root)
        build.kill()
    eventually(lambda: not working_in(workshop.root), "every process is gone")
    eventually(lambda: not folder.parent.exists(), "the folder is gone")


def working_in(folder: Path) -> list[str]:
    """Processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder.resolve():
                found.append(process.name)
    return found
