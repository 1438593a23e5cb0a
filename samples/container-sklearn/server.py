"""Classifies irises: a web server of the standard library, with the model in its image."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib

saved = joblib.load(Path(__file__).with_name("model.joblib"))
model, species = saved["model"], saved["species"]
print("the model knows %s" % ", ".join(species), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as Function Compute wants it

    def do_GET(self):
        self.answer(200 if self.path == "/health" else 404, b"")

    def do_POST(self):
        """The event is {"flowers": [[sepal length, sepal width, petal length, petal width], …]}, in cm."""
        event = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            odds = model.predict_proba(json.loads(event)["flowers"])
        except (KeyError, ValueError) as error:
            # This header tells Function Compute that the invocation failed.
            self.answer(400, json.dumps({"error": str(error)}).encode(), ("x-fc-status", "404"))
            return
        found = [{"species": species[row.argmax()], "probability": round(float(row.max()), 3)} for row in odds]
        self.answer(200, json.dumps(found).encode())

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        pass


ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_CUSTOM_LISTEN_PORT"])), Handler).serve_forever()
