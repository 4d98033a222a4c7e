// Package analysis judges green by what it does for users: is it worse than
// live, or beyond a limit? It is pure: no clock, no I/O, no goroutine.
//
// A [Judge] is a fold over intervals, and it may be asked after every one of
// them. Most tests forbid that: look often enough at two equal versions and one
// of them is "significantly worse" sooner or later. Here each question has an
// e-process: a nonnegative supermartingale that starts at 1 while green is no
// worse, so by Ville's inequality it ever grows to 1/α with a probability of at
// most α, however often anybody looks and whatever makes them stop. What it has
// grown to is the evidence, an e-value.
//
// docs/judging.md has the formulas, their sources, and what they cost.
package analysis
