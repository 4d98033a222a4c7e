package scaffold

import (
	"fmt"

	"teal/internal/manifest"
)

// hello is a small app that works as it is: a teal.yaml and one Python function.
func hello(app string) []File {
	return []File{
		{Path: manifest.FileName, Data: fmt.Appendf(nil, helloManifest, app)},
		{Path: "hello/app.py", Data: []byte(helloFunction)},
	}
}

const helloManifest = `# The app: everything that is released together.
app: %s

# Code that Teal runs once per request.
functions:
  hello:
    runtime: python3
    handler: app.lambda_handler   # file.function in the folder below
    code: ./hello
    timeout: 3s

# Which requests go where. The longest path wins.
routes:
  - {path: /, to: hello}

# How to release: the old version stands by this long after the switch.
release:
  strategy: all-at-once
  watch: {confidence: 10m}
`

const helloFunction = `def lambda_handler(event, context):
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": f"Hello from version {context.function_version}\n",
    }
`
