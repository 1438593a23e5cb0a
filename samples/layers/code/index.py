import json

import greetings


def handler(event, context):
    wanted = json.loads(event or b"{}")
    message = greetings.greet(wanted.get("language", "en"), wanted.get("name", "world"))
    return json.dumps({"message": message, "from": greetings.__file__}, ensure_ascii=False)
