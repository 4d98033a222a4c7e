package logs

// troubleWords are what lines have in them that tell of something that went wrong, in
// lower case and by their first letters: "KeyError: 'x'", "[ERROR] …", "panic: …",
// "Unhandled exception".
var troubleWords = [1 << 8][]string{'e': {"error", "exception"}, 'p': {"panic"}, 'f': {"fatal"}, 'c': {"critical"}}

// TellsTrouble reports whether a line that a program has printed looks like one about an
// error; lines that are set off are frames and sources of a stack, and are not. It looks
// at the first few hundred bytes and allocates nothing.
func TellsTrouble(text string) bool {
	const enough = 512
	if text == "" || text[0] == ' ' || text[0] == '\t' {
		return false
	}
	text = text[:min(len(text), enough)]
	for i := range len(text) {
		for _, word := range troubleWords[text[i]|0x20] {
			if hasFold(text[i:], word) {
				return true
			}
		}
	}
	return false
}

// hasFold reports whether text begins with a word, which is in lower case.
func hasFold(text, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if text[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}
