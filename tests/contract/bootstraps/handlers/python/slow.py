"""Requests that take as long as the test wants."""
import logging
import os
import signal
import threading
import time

met = {"a": threading.Event(), "b": threading.Event()}


beside = threading.Event()


def background():
    beside.set()
    while True:
        time.sleep(600)


def waits(event, context):
    thread = threading.Thread(target=background)
    thread.daemon = True
    thread.start()
    beside.wait()
    print("waiting")
    while True:
        time.sleep(600)


def ends_a_child(event, context):
    """As multiprocessing ends the workers of a pool."""
    ready, awake = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(awake, b".")  # Python forgets the signals of a child that has only just begun
        while True:
            time.sleep(0.05)  # and looks at one that came just before a call only after it
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    return str(os.waitpid(child, 0)[1])


def meets(event, context):
    name = event.decode("ascii")
    met[name].set()
    assert met["b" if name == "a" else "a"].wait(30)
    logging.getLogger().info("%s met", name)
    return event
