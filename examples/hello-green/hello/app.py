def lambda_handler(event, context):
    return {
        "statusCode": "200",
        "body": "Hello From Green Deployment",
        "isBase64Encoded": False,
    }
