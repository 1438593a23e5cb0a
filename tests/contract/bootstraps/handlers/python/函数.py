"""A file name that is not ASCII."""


def handler(event, context):
    return "found"
