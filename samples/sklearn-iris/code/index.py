"""Classifies irises: the model is loaded once for each instance, not for each request."""

import json
from pathlib import Path

import joblib

model = None
species = []


def initialize(context):
    global model, species
    saved = joblib.load(Path(__file__).with_name("model.joblib"))
    model, species = saved["model"], saved["species"]
    print("initialize: the model knows %s" % ", ".join(species))


def handler(event, context):
    """The event is {"flowers": [[sepal length, sepal width, petal length, petal width], …]}, in cm."""
    flowers = json.loads(event)["flowers"]
    odds = model.predict_proba(flowers)
    return [{"species": species[row.argmax()], "probability": round(float(row.max()), 3)} for row in odds]
