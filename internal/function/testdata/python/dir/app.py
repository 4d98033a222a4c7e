def handler(event, context):
    return "from dir"
