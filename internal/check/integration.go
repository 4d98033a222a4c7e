package check

import (
	"context"
	"fmt"

	"teal"
)

// integration runs a program that asks green whatever it likes and says what it
// thinks of it with its exit status.
func (s releaseTask) integration(ctx context.Context, c teal.Check) teal.Finding {
	name := "check " + c.Name
	asked := fmt.Sprintf("the command %s ends with exit status 0", shownCommand(c.Command))
	told, err := s.command(ctx, program{argv: c.Command, code: c.Code, env: c.Env, masked: c.Masked, secrets: c.Secrets})
	if err == nil {
		err = s.addresses(ctx, told.env)
	}
	if err != nil {
		return s.finding(name, asked, teal.VerdictError, err.Error())
	}
	end, err := s.examiner.commands.run(ctx, told)
	if err != nil {
		return s.finding(name, asked, teal.VerdictError, err.Error())
	}
	return s.commandFinding(name, asked, end)
}

// commandFinding is what the ending of a command says.
func (s releaseTask) commandFinding(name, asked string, end commandResult) teal.Finding {
	verdict, seen := teal.VerdictFail, end.exit.String()
	switch {
	case end.late:
		seen = fmt.Sprintf("it had not ended after %s; it and everything that it had started were killed", rounded(end.took))
	case end.exit.Code == 0 && end.exit.Signal == "":
		verdict = teal.VerdictPass
		seen = fmt.Sprintf("exit status 0 after %s", rounded(end.took))
	}
	f := s.finding(name, asked, verdict, seen)
	f.Output = end.output
	return f
}
