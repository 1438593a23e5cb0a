"""Needs a module that is not there."""
import no_such_module_here


def handler(event, context):
    return no_such_module_here
