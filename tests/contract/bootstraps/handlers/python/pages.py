# -*- coding: utf-8 -*-
"""FC 3 HTTP triggers: an event in, an answer out (runtime-contract.md §2.8)."""
import base64
import json


def handler(event, context):
    request = json.loads(event.decode("utf-8"))
    body = request["body"].encode("utf-8")
    if request["isBase64Encoded"]:
        body = base64.b64decode(body)
    return {
        "statusCode": 201,
        "headers": {"X-Path": request["requestContext"]["http"]["path"], "X-Name": u"函数"},
        "isBase64Encoded": True,
        "body": base64.b64encode(request["requestContext"]["http"]["method"].encode("ascii") + b" " + body).decode("ascii"),
    }
