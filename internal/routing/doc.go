// Package routing turns aliases into the gateway's routing table, and keeps the
// records of apps as the release engine sees them.
//
// [Router] is the only writer of aliases; the table follows the store before an order
// returns, see change.go. [Journal] gives an app's one place to one release at a time.
package routing
