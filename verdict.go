package teal

// Verdict is the answer to a question about green.
type Verdict string

// The verdicts. Only a pass is a pass: without enough data, or without an
// answer, nothing goes on as if there had been one.
const (
	VerdictPass         Verdict = "pass"
	VerdictFail         Verdict = "fail"
	VerdictInconclusive Verdict = "inconclusive" // not enough data
	VerdictError        Verdict = "error"        // could not ask
)
