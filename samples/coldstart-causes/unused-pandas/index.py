"""Sums numbers. pandas is there for reports, which hardly any event asks for."""

import json

import pandas as pd


def handler(event, context):
    numbers = json.loads(event or "[]")
    return str(sum(numbers))


def report(numbers):
    return pd.Series(numbers).describe().to_json()
