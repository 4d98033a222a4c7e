import json

def lambda_handler(event, context):
    return {
        "statusCode": "200",
        "body": "Hello From Blue Deployment",
        "isBase64Encoded": False,
    }
