"""Requests that take as long as the test wants."""
import logging
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


def meets(event, context):
    name = event.decode("ascii")
    met[name].set()
    assert met["b" if name == "a" else "a"].wait(30)
    logging.getLogger().info("%s met", name)
    return event
