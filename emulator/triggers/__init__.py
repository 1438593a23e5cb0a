"""Translations between the world's events and invocations."""
