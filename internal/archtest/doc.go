// Package archtest holds the rules on which package may import which, as tests.
// It has no code of its own. The rules are those of the design: the domain
// depends on nothing, the parts depend on the domain and not on each other, and
// a vendor's SDK appears in one driver alone.
package archtest
