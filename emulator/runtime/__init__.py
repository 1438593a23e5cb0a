"""Recipes: a runtime folder and a Revision make a Launch."""
