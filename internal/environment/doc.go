// Package environment runs versions of apps on this machine.
//
// An environment is a running version: function pools, service instances and
// upstream checks, joined to a [gateway.Environment] that requests acquire. The
// [Manager] keeps one record per environment; the record is the desired state:
// that it run. So a restart of the server brings back exactly the environments that
// the records name.
//
// Every component of an environment gets a loopback listener of its own, whose
// address its siblings find in TEAL_URL_<COMPONENT>. A call that arrives there
// goes to that component of the same environment, whatever the aliases say:
// green talks to green. One more listener is the environment's preview: it goes
// by the environment's own routes, for whoever wants to try the version before an
// alias points to it.
package environment
