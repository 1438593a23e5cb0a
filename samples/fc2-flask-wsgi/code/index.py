"""An HTTP function of FC 2: the runtime calls the handler as a WSGI server does, so Flask plugs in as it is."""

from flask import Flask, jsonify, request

app = Flask(__name__)
PRICES = {"tea": 12, "rice": 7}


@app.get("/")
def index():
    return jsonify(products=sorted(PRICES))


@app.get("/products/<name>")
def product(name):
    if name not in PRICES:
        return jsonify(error="no such product"), 404
    return jsonify(name=name, price=PRICES[name])


@app.post("/orders")
def order():
    items = request.get_json()
    app.logger.warning("order %s for %s", request.environ["fc.context"].request_id, items)
    return jsonify(total=sum(PRICES[name] * count for name, count in items.items())), 201


def handler(environ, start_response):
    return app(environ, start_response)
