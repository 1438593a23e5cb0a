"""Everything that goes wrong in a handler."""
import os
import sys


class ShopClosed(Exception):
    pass


def raises(event, context):
    raise ShopClosed("closed on Sunday")


def deep(event, context):
    return inner()


def inner():
    raise ValueError("from inside")


def recovers(event, context):
    if event == b"fail":
        raise ValueError("asked to")
    return "fine"


def exits(event, context):
    print("on the way out")
    sys.exit(7)


def exits_hard(event, context):
    os._exit(3)


def wrong_signature():
    return "never"


def imports_late(event, context):
    import no_such_module_here

    return no_such_module_here


def unicode_message(event, context):
    raise ValueError(u"\u51fd\u6570")


def not_callable_result(event, context):
    return {1, 2}


not_a_function = 3


def imports_bundled(event, context):
    import fc_ships_this.client

    return fc_ships_this.client
