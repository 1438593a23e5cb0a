import json
import logging


def handler(event, context):
    logging.getLogger().info("hello from %s", context.function.name)
    who = json.loads(event or b"{}").get("name", "world")
    if who == "nobody":
        raise ValueError("nobody to greet")
    return {"message": "Hello, %s!" % who}
