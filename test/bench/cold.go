package main

import (
	"context"
	"fmt"
	"time"
)

const (
	coldRounds = 12
	// coldIdle is how long an instance without work is kept, and coldRest how
	// long each round waits so that it is certainly gone.
	coldIdle = 300 * time.Millisecond
	coldRest = 1100 * time.Millisecond
)

// coldManifest is an app with one function for each runtime, of which none is
// kept without work.
func coldManifest() string {
	options := fmt.Sprintf("concurrency: {min: 0, max: 1}, idle: %s", coldIdle)
	return fmt.Sprintf(`
app: cold
functions:
  go:     {runtime: provided, code: ./go, %[1]s}
  python: {runtime: python3, handler: app.lambda_handler, code: ./python, %[1]s}
  node:   {runtime: nodejs, handler: index.handler, code: ./node, %[1]s}
routes:
  - {path: /go, to: go}
  - {path: /python, to: python}
  - {path: /node, to: node}
`, options)
}

// Handlers that say how often their process has been invoked.
const (
	coldPython = `count = 0

def lambda_handler(event, context):
    global count
    count += 1
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": str(count)}
`
	coldNode = `let count = 0;

export const handler = async () => ({ statusCode: 200, headers: { "Content-Type": "text/plain" }, body: String(++count) });
`
)

// measureCold sends requests to functions that have no instance. Whether one was
// cold is not assumed: the handler says that this was its first.
func measureCold(ctx context.Context, l *lab) ([]section, error) {
	s, err := l.server(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	dir, err := l.app(coldManifest(), map[string]string{
		"go/bootstrap": linkTo + l.fn, "python/app.py": coldPython, "node/index.mjs": coldNode,
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.run(ctx, "deploy", dir); err != nil {
		return nil, err
	}
	names := []string{"go", "python", "node"}
	took := map[string][]time.Duration{}
	for range coldRounds {
		if err := pause(ctx, coldRest); err != nil {
			return nil, err
		}
		for _, name := range names {
			t, err := askCold(s.http, "/"+name)
			if err != nil {
				return nil, err
			}
			took[name] = append(took[name], t)
		}
	}
	out := section{
		Title: "Cold start: request to a function without an instance, to its answer",
		Notes: []string{fmt.Sprintf("`concurrency.min: 0`, `idle: %s`, and a pause of %s before each request; a request counts only if the handler's process says that it is its first. The operating system's file cache is warm.", coldIdle, coldRest)},
	}
	for i, title := range []string{"provided (Go)", "python3", "nodejs"} {
		out.Rows = append(out.Rows, measured(title, "ms", durations(took[names[i]], time.Millisecond), 0))
	}
	return []section{out}, nil
}

// askCold returns how long an answer took that was a process's first.
func askCold(address, path string) (time.Duration, error) {
	w, err := dial(address, path)
	if err != nil {
		return 0, err
	}
	defer w.close()
	took, err := w.ask()
	if err == nil && string(w.body) != "1" {
		err = fmt.Errorf("the request to %s was no cold start: the handler says that it is its number %s", path, w.body)
	}
	return took, err
}
