package awslambda

import (
	"regexp"
	"strings"

	"teal"
)

// Place is where this Lambda is, as its resource names say.
type Place struct {
	Region  string // us-east-1
	Account string // twelve digits
}

// target is what a request names: a function and perhaps a qualifier.
type target struct {
	name      string
	qualifier string // "" for none; $LATEST, a number or an alias
}

var (
	functionPattern  = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
	qualifierPattern = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9-_]+)$`)
	aliasPattern     = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
	digitsPattern    = regexp.MustCompile(`^[0-9]+$`)
	partitionPattern = regexp.MustCompile(`^aws[a-zA-Z-]*$`)
	regionPattern    = regexp.MustCompile(`^[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d$`)
	accountPattern   = regexp.MustCompile(`^\d{12}$`)
)

// The model's limits on names.
const (
	maxFunctionName = 140 // of the whole text that names a function
	maxShortName    = 64
	maxQualifier    = 128
)

const functionForm = `(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`

// parseFunction reads a function's name in each of the forms that AWS takes:
// NAME, ACCOUNT:function:NAME, function:NAME and the whole ARN, each with or
// without :QUALIFIER. It does not say whether there is such a function.
func (p Place) parseFunction(text string) (target, error) {
	if text == "" || len(text) > maxFunctionName {
		return target{}, invalid(text, "functionName", "Member must have length less than or equal to 140")
	}
	rest, region, account, ok := cutARN(text)
	if !ok {
		return target{}, malformed(text)
	}
	name, qualifier, qualified := strings.Cut(rest, ":")
	if !functionPattern.MatchString(name) || (qualified && !qualifierPattern.MatchString(qualifier)) || len(qualifier) > maxQualifier {
		return target{}, malformed(text)
	}
	if len(name) > maxShortName {
		return target{}, invalid(text, "functionName", "Member must have length less than or equal to 64")
	}
	if region != "" && region != p.Region {
		return target{}, faultf(codeNotFound, "Functions from '%s' are not reachable in this region ('%s')", region, p.Region)
	}
	if account != "" && account != p.Account {
		return target{}, faultf(codeAccessDenied, "User: arn:aws:iam::%s:root is not authorized to perform this action on resource: %s because no resource-based policy allows it", p.Account, text)
	}
	return target{name, qualifier}, nil
}

// cutARN takes what may stand before a function's name off it.
func cutARN(text string) (rest, region, account string, ok bool) {
	parts := strings.Split(text, ":")
	if parts[0] == "arn" && len(parts) > 5 {
		if len(parts) > 8 || len(parts) < 7 || !partitionPattern.MatchString(parts[1]) || parts[2] != "lambda" ||
			!regionPattern.MatchString(parts[3]) || !accountPattern.MatchString(parts[4]) || parts[5] != "function" {
			return "", "", "", false
		}
		return strings.Join(parts[6:], ":"), parts[3], parts[4], true
	}
	if len(parts) > 1 && regionPattern.MatchString(parts[0]) && len(parts) > 2 {
		region, parts = parts[0], parts[1:]
	}
	if len(parts) > 2 && accountPattern.MatchString(parts[0]) && parts[1] == "function" {
		account, parts = parts[0], parts[1:]
	} else if region != "" {
		return "", "", "", false
	}
	if len(parts) > 1 && parts[0] == "function" {
		parts = parts[1:]
	}
	return strings.Join(parts, ":"), region, account, len(parts) <= 2
}

func malformed(text string) error {
	return invalid(text, "functionName", "Member must satisfy regular expression pattern: "+functionForm)
}

// parseTarget joins the qualifier in a name with the one in the query; two that
// disagree are refused.
func (p Place) parseTarget(text, qualifier string) (target, error) {
	t, err := p.parseFunction(text)
	if err != nil || qualifier == "" {
		return t, err
	}
	if len(qualifier) > maxQualifier || !qualifierPattern.MatchString(qualifier) {
		return t, invalid(qualifier, "qualifier", `Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)`)
	}
	if t.qualifier != "" && t.qualifier != qualifier {
		return t, invalidf("The derived qualifier from the function name does not match the specified qualifier.")
	}
	t.qualifier = qualifier
	return t, nil
}

// arn returns the resource name of a function, with a qualifier or, for "",
// without.
func (p Place) arn(name, qualifier string) string {
	arn := "arn:aws:lambda:" + p.Region + ":" + p.Account + ":function:" + name
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}

// FunctionARN returns the resource name of a function's version or alias.
func (p Place) FunctionARN(name, qualifier string) string { return p.arn(name, qualifier) }

// Destination reads the resource name of a function that is to get events.
func (p Place) Destination(text string) (name, qualifier string, err error) {
	t, err := p.parseFunction(text)
	return t.name, t.qualifier, err
}

func (p Place) layerARN(name string) string {
	return "arn:aws:lambda:" + p.Region + ":" + p.Account + ":layer:" + name
}

// checkAliasName refuses a name that an alias cannot have.
func checkAliasName(name string) error {
	if name == "" || len(name) > teal.MaxAliasLength || !aliasPattern.MatchString(name) || digitsPattern.MatchString(name) {
		return invalid(name, "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	}
	return nil
}
