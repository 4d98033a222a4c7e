// Package recording keeps what the judges of releases were told, one file for each
// release, for people: `teal analyze` reads it and comes to the same verdicts.
package recording
