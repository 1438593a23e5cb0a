import os

from flask import Flask, jsonify, request

app = Flask(__name__)
notes = []


@app.post("/initialize")
def initialize():
    """Called once for each instance, before anything else."""
    notes.append("welcome to " + os.environ["TITLE"])
    return ""


@app.get("/notes")
def list_notes():
    return jsonify(notes)


@app.post("/notes")
def add_note():
    text = request.get_json().get("text", "")
    if not text:
        return jsonify(error="a note needs a text"), 400
    notes.append(text)
    app.logger.warning("note by request %s", request.headers["x-fc-request-id"])
    return jsonify(id=len(notes), text=text), 201


@app.post("/invoke")
def invoke():
    """What InvokeFunction, timers and other triggers call."""
    event = request.get_data(as_text=True)
    return "%d notes, event %s" % (len(notes), event)
