"""An HTTP trigger on a built-in runtime: FC 3 hands the request over as a JSON event."""

import base64
import json


def handler(event, context):
    request = json.loads(event)
    name = read_body(request) or request["queryParameters"].get("name", "world")
    if name == "nobody":
        raise ValueError("nobody to greet")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "X-Greeter": context.function.name},
        "body": json.dumps({"message": "Hello, %s!" % name, "path": request["rawPath"]}),
    }


def read_body(request):
    """FC passes text as it is, and everything else, also the empty body of a GET, as Base64."""
    body = request["body"].encode()
    return (base64.b64decode(body) if request["isBase64Encoded"] else body).decode()
