"""Fails while it is loaded."""
TABLE = {}
VALUE = TABLE["missing"]


def handler(event, context):
    return VALUE
