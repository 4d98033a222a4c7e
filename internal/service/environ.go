package service

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"teal"
)

// inherited are the variables that a process gets from the server's own
// environment, with what they are when the server has none. Everything else
// that the server knows, its tokens among them, stays with it.
var inherited = []struct{ name, fallback string }{
	{"PATH", "/usr/local/bin:/usr/bin:/bin"},
	{"HOME", "/"},
	{"LANG", "C.UTF-8"},
	{"TZ", ""},
}

// environment returns the variables of one process: the inherited ones and
// HOST, then what the manifest says, then what Teal sets and nobody may change.
// HOST asks programs that read it to listen on the loopback address alone; a
// manifest may say otherwise.
//
// TMPDIR is the instance's own; "" leaves the choice to the program.
func environment(lookup func(string) (string, bool), user, teals map[string]string, tmp string, port int) map[string]string {
	env := map[string]string{"HOST": loopback}
	if tmp != "" {
		env["TMPDIR"] = tmp
	}
	for _, v := range inherited {
		if value, ok := lookup(v.name); ok && value != "" {
			env[v.name] = value
		} else if v.fallback != "" {
			env[v.name] = v.fallback
		}
	}
	maps.Copy(env, user)
	maps.Copy(env, teals)
	env["PORT"] = strconv.Itoa(port)
	return env
}

// pairs returns env as NAME=value, sorted.
func pairs(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// findProgram returns the path of the program that a command names: one with a
// slash is looked for from dir, a bare one in the absolute folders of path.
func findProgram(command, dir, path string) (string, error) {
	if strings.Contains(command, "/") {
		file := command
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		if err := executable(file); err != nil {
			return "", teal.Errorf(teal.CodeInvalidInput, "the command %q cannot be run: %s; it is looked for in the folder that the service's code names", command, err)
		}
		return file, nil
	}
	for _, folder := range filepath.SplitList(path) {
		file := filepath.Join(folder, command)
		if filepath.IsAbs(folder) && executable(file) == nil {
			return file, nil
		}
	}
	hint := "install it, or name it with its path"
	if executable(filepath.Join(dir, command)) == nil {
		hint = fmt.Sprintf("to run the one in the service's code, write \"./%s\"", command)
	}
	return "", teal.Errorf(teal.CodeInvalidInput, "the command %q was not found in PATH (%s); %s", command, path, hint)
}

// executable returns why file cannot be run, or nil.
func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("there is no such file")
	case err != nil:
		return fmt.Errorf("it cannot be read: %w", err)
	case info.IsDir():
		return fmt.Errorf("it is a folder")
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("it is not executable (chmod +x)")
	}
	return nil
}
