// Package routing turns aliases into the gateway's routing table, and keeps the
// records of apps as the release engine sees them.
//
// [Router] is the only writer of aliases: the store and the table change together
// or not at all. [Journal] gives an app's one place to one release at a time.
package routing
