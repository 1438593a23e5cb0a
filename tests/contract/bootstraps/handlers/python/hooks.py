"""Lifecycle hooks and what they leave behind."""
state = {"initialized": 0}


def initialize(context):
    state["initialized"] += 1
    print("initializing " + context.request_id)
    return {"ignored": "value"}


def initialize_fails(context):
    raise RuntimeError("no database")


def handler(event, context):
    return "initialized %d" % state["initialized"]


def pre_stop(context):
    print("stopping " + context.function.name)


def pre_freeze(context):
    print("freezing")


def pre_stop_fails(context):
    raise RuntimeError("can not stop")
