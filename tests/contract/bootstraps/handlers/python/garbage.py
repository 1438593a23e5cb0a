"""What no sane function gives back."""


def circular(event, context):
    ring = {}
    ring["self"] = ring
    return ring


def surrogate(event, context):
    return u"\ud800"


def numbers(event, context):
    return [float("inf"), float("nan")]


def generator(event, context):
    return (number for number in range(3))


class Evil(Exception):
    def __str__(self):
        raise ValueError("no message either")

    __repr__ = __str__


def evil_error(event, context):
    raise Evil()


class EvilValue(object):
    def to_json(self):
        raise KeyError("no value")


def evil_value(event, context):
    return EvilValue()


def endless(event, context):
    return endless(event, context)


def large(event, context):
    return "x" * int(event)
