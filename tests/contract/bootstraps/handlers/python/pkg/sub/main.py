"""A handler in a package."""


def handler(event, context):
    return __name__
