package manifest

import (
	"fmt"

	"teal"
)

// File is one file of a template.
type File struct {
	Path string // relative, with slashes
	Data []byte
}

// Template returns the files of a small app that works as it is: a teal.yaml and
// one Python function. It returns an error with CodeInvalidInput when app is not
// a name for an app.
func Template(app string) ([]File, error) {
	if err := teal.CheckName("app", app); err != nil {
		return nil, err
	}
	return []File{
		{Path: FileName, Data: fmt.Appendf(nil, templateManifest, app)},
		{Path: "hello/app.py", Data: []byte(templateFunction)},
	}, nil
}

const templateManifest = `# The app: everything that is released together.
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

const templateFunction = `def lambda_handler(event, context):
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": f"Hello from version {context.function_version}\n",
    }
`
