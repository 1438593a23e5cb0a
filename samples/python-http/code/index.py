"""An HTTP trigger on a built-in runtime: FC 3 hands the request over as a JSON event."""

import base64
import json


def handler(event, context):
    request = json.loads(event)
    method = request["requestContext"]["http"]["method"]
    name = read_name(request) if method == "POST" else request["queryParameters"].get("name", "world")
    if name == "nobody":
        raise ValueError("nobody to greet")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "X-Greeter": context.function.name},
        "body": json.dumps({"message": "Hello, %s!" % name, "path": request["rawPath"]}),
    }


def read_name(request):
    body = request["body"]
    if request["isBase64Encoded"]:
        body = base64.b64decode(body)
    return json.loads(body)["name"]
