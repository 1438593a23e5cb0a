import os
import signal
import sys
import threading
import time

STARTED = threading.Event()


def beat():
    STARTED.set()
    while True:
        time.sleep(0.01)  # the line of beat


def later():
    pass


def daemon(thread):
    thread.daemon = True
    thread.start()


def handler(event, context):
    beating = threading.Thread(target=beat, name="heart")
    daemon(beating)
    daemon(threading.Timer(300, later))
    STARTED.wait()
    signal.setitimer(signal.ITIMER_REAL, 1000)
    if sys.version_info[0] > 2:
        from concurrent.futures import ThreadPoolExecutor

        leaving.pool = ThreadPoolExecutor(2)
        leaving.pool.submit(os.getpid).result()
    return "left"


class leaving(object):
    pool = None


def quiet(event, context):
    return "quiet"
