package process

import "regexp"

// own matches what Teal tells a program about where it is and whom it talks to.
var own = regexp.MustCompile(`\$(?:\{(PORT|HOST|TEAL_[A-Z0-9_]+)\}|(PORT|HOST|TEAL_[A-Z0-9_]+)\b)`)

// Expand returns the arguments of a command with $PORT, $HOST and $TEAL_… (also
// as ${PORT}) replaced by what env has for them: programs such as gunicorn take
// their port as an argument, and without a shell nobody else would put it there.
// What env does not have, and every other $, stays as it is.
func Expand(args []string, env map[string]string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = own.ReplaceAllStringFunc(arg, func(found string) string {
			parts := own.FindStringSubmatch(found)
			if value, has := env[parts[1]+parts[2]]; has {
				return value
			}
			return found
		})
	}
	return out
}
