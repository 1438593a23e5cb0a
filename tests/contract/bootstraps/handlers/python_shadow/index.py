"""A function beside files that have the names of standard modules."""


def handler(event, context):
    return {"k": 1}


def fails(event, context):
    raise ValueError("still told")
