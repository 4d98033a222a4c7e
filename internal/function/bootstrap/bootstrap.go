// Package bootstrap holds the loaders: the small programs that run inside a
// Python or a Node.js instance and carry events and answers between the Lambda
// Runtime API and the user's handler. They use nothing but the language's own
// library.
package bootstrap

import _ "embed"

// The loaders' file names, as they are written beside an instance.
const (
	PythonFile = "bootstrap.py"
	NodeFile   = "bootstrap.mjs"
)

// Python is the source of the loader for python3.
//
//go:embed bootstrap.py
var Python []byte

// Node is the source of the loader for nodejs.
//
//go:embed bootstrap.mjs
var Node []byte
