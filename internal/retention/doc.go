// Package retention decides what may go, and takes it away: old versions with their
// logs ([Versions]), code that no record names ([Garbage]), and everything that
// belongs to deleted apps ([Apps]). [Reservations] keep what somebody is about to need.
package retention
