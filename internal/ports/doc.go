// Package ports keeps a port for a program that is about to be told it.
package ports
