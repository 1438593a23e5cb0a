"""The functions that are debugged. Lines are known by their comments."""

from __future__ import annotations

from tests.support.debug_project import SHORT_SECONDS, DebugProject

WALK = """
import os

TABLE = {"one": 1}  # @module

def initialize(context):
    global ready
    ready = TABLE["one"]  # @initializer

def handler(event, context):
    n = int(event or b"0")
    doubled = n * 2  # @handler
    answer = str(doubled + ready)  # @next
    return answer
"""

PAIR = """
import os

def handler(event, context):
    name = event.decode()
    here = os.environ["FC_INSTANCE_ID"]  # @stand
    told = name + "!"  # @next
    return told
"""

COUNT = """
calls = 0

def handler(event, context):
    global calls
    calls += 1
    if event == b"first":
        return "first"
    kept = calls  # @later
    return str(kept)
"""

MOVE = """
VERSION = 1

def handler(event, context):
    found = VERSION
    return str(found)  # @answer
"""

LOOP = """
import time

def handler(event, context):
    rounds = 0
    stop = False
    while not stop:
        rounds += 1  # @round
        if event == b"sleep":
            time.sleep(0.005)
    return "stopped"
"""

FAIL = """
def inner(order):
    double = order * 2
    return double / 0  # @raise

def handler(event, context):
    try:
        int("x")
    except ValueError:
        pass
    return inner(21)  # @call
"""

TALK = """
def square(x):
    return x * x  # @square

def cube(x):
    return x * square(x)

def handler(event, context):
    total = 0
    for i in range(10):
        total += i  # @loop
    both = square(total) + cube(2)  # @both
    both += 1  # @jump
    print("said", both)
    return str(both)  # @end
"""

ASK = """
def handler(event, context):
    before = 1
    breakpoint()
    return "passed"  # @after
"""

CHILD = """
import multiprocessing, subprocess, sys

def work(queue, n):
    queue.put(n * 2)  # @forked

def handler(event, context):
    if event == b"exec":
        code = "import worker; worker.main(20)"
        return subprocess.check_output([sys.executable, "-c", code], cwd="/code" if sys.path[0] == "/code" else None)
    made = multiprocessing.get_context("fork")
    queue = made.SimpleQueue()
    process = made.Process(target=work, args=(queue, 20))
    process.start()
    answer = queue.get()
    process.join()
    return str(answer)
"""

WORKER = """
import sys

def main(n):
    answer = n + 1  # @child
    sys.stdout.write(str(answer))
"""


def write_functions(project: DebugProject) -> None:
    """All of them; `walk` has short time limits."""
    hook = {"initializer": {"handler": "index.initialize", "timeout": SHORT_SECONDS}}
    project.function("walk", WALK, timeout=SHORT_SECONDS, instanceLifecycleConfig=hook)
    for name, code in {
        "pair": PAIR, "count": COUNT, "move": MOVE, "loop": LOOP, "fail": FAIL, "talk": TALK, "ask": ASK,
        "child": CHILD,
    }.items():  # fmt: skip
        project.function(name, code)
    project.workshop.write({"child/worker.py": WORKER})
