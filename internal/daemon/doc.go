// Package daemon puts the parts of the server together: it is the only package
// that knows all the others, and nothing imports it but the program.
//
// [Daemon] takes what another process could hold (data directory, ports, store),
// makes the parts, each with all that it needs, and runs them as stages: started in
// the order of their needs, stopped in the opposite one. It decides nothing about
// apps, versions, aliases or releases; internal/archtest holds it to that.
package daemon
