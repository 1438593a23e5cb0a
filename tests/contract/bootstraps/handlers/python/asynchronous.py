async def handler(event, context):
    return "never awaited"
