// Package check does what a release asks to be done beside its own acts: hooks,
// warm-ups, checks of green, and questions to judges outside, one file each.
//
// Four things hold for every task:
//
//   - Only a pass is a pass. What could not be asked is an error, what did not
//     come in time is a failure, and a number that is no number is neither.
//   - It ends: every attempt has a timeout, and so has every answer that green or
//     a stranger is waited for. [Examiner.Stop], and the end of
//     [Examiner.Run]'s context, end it sooner; a process that it started is
//     killed with everything that it has started itself.
//   - What it reads of an answer, and what it keeps of an output, is bounded.
//   - Its evidence is for people and holds no secret: not the headers that were
//     sent, not the credentials in an address.
package check
