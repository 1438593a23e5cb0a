"""`reload: keep`: a running instance takes the edited code, and answers as one that starts anew would."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import MEET, Meeting, Running, Workshop, eventually

# A folder made by `pip install --target FOLDER/python torch`, for the Python of TORCH_RUNTIME.
TORCH_LAYER = os.environ.get("FCLOCAL_TEST_TORCH_LAYER", "")
TORCH_RUNTIME = os.environ.get("FCLOCAL_TEST_TORCH_RUNTIME", "python3.12")

CODE = '''
import os

LIMIT = 3

class Model:
    """Slow to load."""
    scale = 2

    def __init__(self):
        self.weights = bytearray(1 << 20)

    def forward(self, x):
        return x * self.scale

def load():
    return Model()

def again(f):
    return lambda x: f(f(x))

def helper(x, y=1):
    return x + y

@again
def twice(x):
    return x + 2

model = load()

def answer():
    names = sorted(name for name in globals() if not name.startswith("__"))
    return [model.forward(2), helper(1), twice(0), LIMIT, names, Model.__doc__, answer.__code__.co_firstlineno]

def handler(event, context):
    import json
    return json.dumps({"in": os.environ["FC_INSTANCE_ID"], "model": id(model), "answer": answer()})
'''

TEN_EDITS: dict[str, Callable[[str], str]] = {
    "body": lambda code: code.replace("return x + y", "return x - y"),
    "default": lambda code: code.replace("y=1", "y=10"),
    "constant": lambda code: code.replace("LIMIT = 3", "LIMIT = 4"),
    "method": lambda code: code.replace("return x * self.scale", "return x * self.scale + 1"),
    "class attribute": lambda code: code.replace("scale = 2", "scale = 20"),
    "decorator": lambda code: code.replace("lambda x: f(f(x))", "lambda x: f(f(f(x)))"),
    "new function": lambda code: code.replace("def answer", "def more():\n    return 1\n\ndef answer"),
    "removed function": lambda code: code.replace("def more():\n    return 1\n\n", ""),
    "module-level if": lambda code: code.replace("model = load()", "if LIMIT > 3:\n    EXTRA = 1\nmodel = load()"),
    "import": lambda code: code.replace("import os\n", "import os\nimport math\n").replace("[model", "[math.pi, model"),
}


def keeping(workshop: Workshop, code: str, /, keep: object = None, **functions: dict[str, Any]) -> None:
    """A project whose function `kept` keeps what it has loaded."""
    workshop.project(code, **(functions or {"kept": {}}))
    section = {"reload": "keep", **({"keep": keep} if keep else {})}
    workshop.write({".fclocal.yaml": yaml.safe_dump({"functions": {"kept": section}})})


def edit(workshop: Workshop, change: Callable[[str], str]) -> None:
    file = workshop.root / "code/index.py"
    text = file.read_text()
    changed = change(text)
    assert changed != text
    file.write_text(changed)


def asked(running: Running, function: str = "kept") -> dict[str, Any]:
    status, body, _ = running.call(function)
    assert status == 200, body
    return json.loads(body)


def told(running: Running, kind: str, count: int = 1) -> dict[str, Any]:
    return running.until(lambda e: e["kind"] == kind, count)[count - 1]


def test_ten_kinds_of_edits_give_what_a_cold_start_gives(workshop: Workshop) -> None:
    keeping(workshop, CODE, kept={}, cold={})
    with workshop.started("--json") as running:
        first = asked(running)
        for count, (kind, change) in enumerate(TEN_EDITS.items(), 1):
            edit(workshop, change)
            kept, cold = asked(running), asked(running, "cold")
            assert kept["answer"] == cold["answer"], kind
            assert cold["in"] != kept["in"] == first["in"], kind
            assert kept["model"] == first["model"], kind
            assert "model" in told(running, "instance_patched", count)["kept"], kind
        assert not [e for e in running.events() if e["kind"] == "patch_refused"]
        assert running.stop() == 0
    running.assert_nothing_left()


def test_the_console_says_what_was_kept_and_replaced(workshop: Workshop) -> None:
    keeping(workshop, CODE)
    with workshop.started() as running:
        asked(running)
        edit(workshop, TEN_EDITS["method"])
        asked(running)
        eventually(lambda: "kept model · replaced Model.forward (" in running.out, lambda: running.out)
        edit(workshop, lambda code: code.replace("1 << 20", "1 << 19"))
        asked(running)
        eventually(lambda: "replaced Model.__init__ · made again model (" in running.out, lambda: running.out)


def test_what_the_edit_made_is_made_again_and_the_rest_kept(workshop: Workshop) -> None:
    keeping(workshop, CODE.replace("model = load()", "model = load()\nother = [object()]"))
    with workshop.started("--json") as running:
        first = asked(running)
        edit(workshop, lambda code: code.replace("    return Model()", "    made = Model()\n    return made"))
        second = asked(running)
        patched = told(running, "instance_patched")
    assert first["in"] == second["in"]
    assert patched["kept"] == ["other"] and patched["replaced"] == ["load"]
    assert patched["rebuilt"] == [["model", "it ran load, which was edited"]]


REFUSED = {
    "a thread": ('threading.Thread(target=print, args=("started",)).start()', "starts a thread"),
    "the environment": ('os.environ["MODE"] = "a"', "changes the environment"),
    "an error": ("1 / 1", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_only_a_new_process_undoes_is_a_cold_start_and_said_so(workshop: Workshop, name: str) -> None:
    statement, why = REFUSED[name]
    keeping(workshop, CODE.replace("import os", f"import os, threading\n{statement}"))
    with workshop.started("--json") as running:
        first = asked(running)
        edit(workshop, lambda code: code.replace(statement, "pass" if why else "1 / 0"))
        status, _, _ = running.call("kept")
        refused = told(running, "patch_refused")
        if why:
            assert why in refused["reason"] and status == 200
            assert asked(running)["in"] != first["in"]
        else:
            assert "ZeroDivisionError" in refused["reason"] and status == 200
            assert "ZeroDivisionError" in running.call("kept")[1]


def test_a_file_that_the_code_has_read_is_a_cold_start(workshop: Workshop) -> None:
    keeping(workshop, CODE.replace("LIMIT = 3", 'LIMIT = int(open("limit.txt").read())'))
    workshop.write({"code/limit.txt": "3", "code/README.md": "about"})
    with workshop.started("--json") as running:
        first = asked(running)
        workshop.write({"code/README.md": "About"})
        assert asked(running) == first
        workshop.write({"code/limit.txt": "5"})
        assert asked(running)["answer"][3] == 5
        assert told(running, "patch_refused")["reason"] == "limit.txt, which the code has read, has changed"


INITIALIZED = """
import os

SIZE = 10
model = None

def build(size):
    return [size] * size

def initialize(context):
    global model
    print("initializing")
    model = build(SIZE)

def handler(event, context):
    import json
    return json.dumps({"in": os.environ["FC_INSTANCE_ID"], "model": id(model), "answer": model[:1]})
"""


def test_the_initializer_runs_again_where_the_edit_touched_it(workshop: Workshop) -> None:
    hooks = {"initializer": {"handler": "index.initialize", "timeout": 10}}
    keeping(workshop, INITIALIZED, kept={"instanceLifecycleConfig": hooks})
    with workshop.started("--json") as running:
        first = asked(running)
        edit(workshop, lambda code: code.replace("model[:1]", "model[:2]"))
        second = asked(running)
        assert second == {**first, "answer": [10, 10]}
        edit(workshop, lambda code: code.replace("SIZE = 10", "SIZE = 7"))
        third = asked(running)
        assert third["answer"] == [7, 7] and third["in"] == first["in"]
        assert len(running.until(lambda e: e["kind"] == "hook_ended" and e["hook"] == "Initialize", 2)) == 2
        assert len(running.until(lambda e: e["kind"] == "log_line" and e["text"] == "initializing", 2)) == 2


def test_what_several_steps_make_is_told_once(workshop: Workshop) -> None:
    hooks = {"initializer": {"handler": "index.initialize", "timeout": 10}}
    code = "SIZE = 3\nmodel = None\n\ndef initialize(context):\n    global model\n    model = [0] * SIZE\n\n"
    code += "def handler(event, context):\n    return str(len(model))\n"
    keeping(workshop, code, kept={"instanceLifecycleConfig": hooks})
    with workshop.started("--json") as running:
        assert asked(running) == 3
        edit(workshop, lambda text: text.replace("SIZE = 3", "SIZE = 4"))
        assert asked(running) == 4
        assert [name for name, _ in told(running, "instance_patched")["rebuilt"]] == ["model"]


def test_named_globals_are_kept_though_others_are_made_from_them(workshop: Workshop) -> None:
    pipe = "\npipe = [model, 1]\npipe.append(model.forward(2))\n\ndef answer"
    code = CODE.replace("\ndef answer", pipe).replace("[model.forward(2)", "[pipe[1:]")
    keeping(workshop, code, keep=["model"])
    with workshop.started("--json") as running:
        first = asked(running)
        edit(workshop, lambda text: text.replace("pipe = [model, 1]", "pipe = [model, 5]"))
        second = asked(running)
        assert (second["in"], second["model"]) == (first["in"], first["model"])
        assert second["answer"][0] == [5, 4]
        edit(workshop, lambda text: text.replace("1 << 20", "1 << 10"))
        asked(running)
        assert ["model", "it ran __init__, which was edited"] in told(running, "instance_patched", 2)["rebuilt"]


def test_a_request_that_runs_ends_on_the_old_code_and_the_next_waits_for_the_new(
    workshop: Workshop, meeting: Meeting
) -> None:
    code = MEET + '\nimport os\nword = "old"\nmodel = [1]\n'
    handler = """
def handler(event, context):
    if event:
        meet(event.decode())
    return "%s %s %d" % (word, os.environ["FC_INSTANCE_ID"], id(model))
"""
    keeping(workshop, code + handler)
    with workshop.started("--json") as running:
        answers: list[str] = []
        client = threading.Thread(target=lambda: answers.append(running.call("kept", str(meeting.port))[1]))
        client.start()
        meeting.arrived()
        edit(workshop, lambda text: text.replace('"old"', '"new"'))
        running.until(lambda e: e["kind"] == "revision_deployed" and e["revision"] == 2)
        later = threading.Thread(target=lambda: answers.append(running.call("kept")[1]))
        later.start()
        meeting.let_go()
        client.join()
        later.join()
        old, new = (answer.split() for answer in answers)
        assert (old[0], new[0]) == ("old", "new")
        assert old[1:] == new[1:]


def test_a_frozen_instance_is_thawed_for_the_edit(workshop: Workshop) -> None:
    keeping(workshop, CODE)
    with workshop.started("--json") as running:
        first = asked(running)
        running.until_state("frozen", 1)
        edit(workshop, TEN_EDITS["constant"])
        told(running, "instance_patched")
        running.until_state("frozen", 2)
        second = asked(running)
        assert (second["in"], second["answer"][3]) == (first["in"], 4)


def test_quick_saves_are_all_taken_by_the_same_instance(workshop: Workshop) -> None:
    keeping(workshop, CODE, kept={"instanceConcurrency": 5})
    with workshop.started("--json") as running:
        first = asked(running)
        for number in range(40):
            edit(workshop, lambda text, n=number: text.replace(f"LIMIT = {3 + n}\n", f"LIMIT = {4 + n}\n"))
            answer = asked(running)
            assert (answer["in"], answer["model"], answer["answer"][3]) == (first["in"], first["model"], 4 + number)


def test_a_save_by_rename_is_seen_by_later_imports_and_tracebacks(workshop: Workshop) -> None:
    """An overlay goes on showing a file that another one has replaced."""
    handler = "def handler(event, context):\n    import late\n    return late.say()\n"
    keeping(workshop, f"model = [1]\n{handler}")
    workshop.write({"code/late.py": "def say():\n    return 'first'\n"})

    def save(name: str, text: str) -> None:
        beside = workshop.root / "code" / f"{name}___jb_tmp___"
        beside.write_text(text)
        beside.rename(workshop.root / "code" / name)

    with workshop.started("--json") as running:
        assert running.call("kept")[1] == "first"
        save("late.py", "def say():\n    return 'second'\n")
        assert running.call("kept")[1] == "second"
        save("index.py", f"import extra\nmodel = [1]\n{handler}")
        save("extra.py", "WORD = 1\n")
        assert running.call("kept")[1] == "second"
        save("late.py", "def say():\n    raise ValueError('third')\n")
        status, body, _ = running.call("kept")
        assert "raise ValueError('third')" in body, (status, body)
        assert [e for e in running.events() if e["kind"] == "instance_patched"]


TORCH = """
import os
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16384, 16384, bias=False)

    def forward(self, x):
        return self.layer(x).sum() * 0 + 1

model = Net()

def handler(event, context):
    import json
    with torch.no_grad():
        answer = float(model(torch.zeros(1, 16384)))
    weight = model.layer.weight
    size = weight.numel() * weight.element_size()
    return json.dumps({"in": os.environ["FC_INSTANCE_ID"], "data": weight.data_ptr(), "answer": answer, "size": size})
"""


def test_a_torch_model_of_one_gib_stays_where_it_is(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    if not TORCH_LAYER:
        pytest.skip("FCLOCAL_TEST_TORCH_LAYER names no folder made by `pip install --target FOLDER/python torch`")
    props = {
        "runtime": TORCH_RUNTIME,
        "memorySize": 4096,
        "cpu": 2,
        "timeout": 300,
        "layers": ["acs:fc:cn-hangzhou:123456789:layers/torch/versions/1"],
    }
    keeping(workshop, TORCH, kept=props)
    layers = workshop.state / "layers"
    layers.mkdir(parents=True)
    (layers / "torch").symlink_to(Path(TORCH_LAYER).absolute())
    with workshop.started("--json") as running:
        first = asked(running)
        edit(workshop, lambda code: code.replace("* 0 + 1", "* 0 + 2"))
        second = asked(running)
        patched = told(running, "instance_patched")
    assert first["size"] == 1 << 30
    assert second == {**first, "answer": 2.0}
    assert patched["kept"] == ["model"] and patched["replaced"] == ["Net.forward"]
    with capsys.disabled():
        print(f"\na model of 1 GiB was kept in {patched['duration_ms']:.0f} ms")
