"""What a function writes."""
import logging
import sys
import threading


def root_logger(event, context):
    logging.getLogger().info("hello %s", "log")
    logging.getLogger().debug("not shown")
    return "ok"


def levels(event, context):
    logger = logging.getLogger("shop.cart")
    logger.warning("careful")
    logger.error("broken")
    return "ok"


def basic_config(event, context):
    logging.basicConfig(format="mine %(message)s", level=logging.DEBUG)
    logging.info("kept")
    return "ok"


def context_logger(event, context):
    context.getLogger().info("from the context")
    return "ok"


def with_traceback(event, context):
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger().exception("caught")
    return "ok"


def prints(event, context):
    print("first")
    sys.stderr.write("second\n")
    sys.stdout.write("no newline")
    return "ok"


def buffered(event, context):
    """A stream of the function's own that keeps what is written until it is flushed."""
    import io
    import os

    sys.stdout = io.open(os.dup(1), "w", encoding="utf-8", buffering=65536)
    sys.stdout.write(u"kept back\n")
    return "ok"


def closed_stdout(event, context):
    sys.stdout.close()
    return "ok"


def in_a_thread(event, context):
    def work():
        logging.getLogger().info("from a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return "ok"
