"""Debuggers: editors on one side, instances on the other; and what is left of an instance that failed."""
