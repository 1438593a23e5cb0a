"""Invocation in, Outcome out, sync and async."""
