// Package api is Teal's REST API: everything a person or a program may ask of a
// running server, under /v1, described by the OpenAPI 3.1 document at
// /openapi.json.
//
// The package decides nothing about releases. It declares what it needs as
// small interfaces (Control, Bundles, Logs), authenticates, bounds and logs each
// request, and translates errors to problem documents in one place. It imports
// the root package and no other part of Teal.
//
// Every request except the three open ones (/healthz, /readyz, /openapi.json)
// needs the bearer token. Requests that a browser sends from a foreign page are
// refused before the token is looked at.
package api
