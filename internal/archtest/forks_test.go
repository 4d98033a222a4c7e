package archtest

import (
	"go/ast"
	"slices"
)

// runners are the parts that run a Runner in the program that uses them.
var runners = []string{"internal/process", "internal/daemon"}

// forks reports whether an expression executes a program by the standard library.
func forks(n ast.Expr) bool {
	return isOf(n, "exec", "Command", "CommandContext", "Cmd") || isOf(n, "os", "StartProcess") || isOf(n, "syscall", "ForkExec", "StartProcess")
}

// forks: a program that a server executes bears the mark of a Runner's process, and
// is killed with it, unless package process executes it. So it does in tests that
// run a Runner.
func (f *findings) forks(m module) {
	for dir, p := range m {
		var found []string
		product := within(dir, "internal") || within(dir, "cmd")
		for _, file := range p.files {
			if product && dir != "internal/process" {
				found = append(found, file.forks...)
			}
		}
		for _, file := range p.tests {
			if p.runs() || slices.Contains(runners, dir) {
				found = append(found, file.forks...)
			}
		}
		for _, at := range found {
			f.addf("%s executes a program; beside a Runner use process.Command, so that it is not killed with another's process", at)
		}
	}
}

// runs reports whether a package or its tests import a part that runs a Runner.
func (p *pkg) runs() bool {
	return slices.ContainsFunc(slices.Concat(p.files, p.tests), func(file file) bool {
		return slices.ContainsFunc(file.imports, func(imported string) bool {
			dir, _ := folder(imported)
			return slices.Contains(runners, dir)
		})
	})
}
