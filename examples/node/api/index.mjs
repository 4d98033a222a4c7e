// An async handler, as for AWS Lambda. It tells who asked for what.
export const handler = async (event, context) => {
  const { method = "GET", path = "/" } = event.requestContext?.http ?? {};
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      method,
      path,
      version: context.functionVersion,
      request: context.awsRequestId,
      remaining_ms: context.getRemainingTimeInMillis(),
    }),
  };
};
