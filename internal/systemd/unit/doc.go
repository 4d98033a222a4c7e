// Package unit has the files with which systemd runs a server — units, user, settings —
// and installs them where no package has.
package unit
