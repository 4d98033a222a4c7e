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

// What the model says of names.
const (
	regionForm = `(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}`
	beforeName = `(arn:(aws[a-zA-Z-]*)?:lambda:)?(` + regionForm + `:)?(\d{12}:)?(function:)?`
)

// The groups of the forms of names.
const (
	groupRegion    = 3
	groupAccount   = 9
	groupName      = 11
	groupQualifier = 13
)

var (
	// A function's name, in each of the forms that AWS takes: NAME,
	// ACCOUNT:function:NAME, function:NAME and the whole ARN, each with or without
	// :QUALIFIER. The model has three rules, of which every operation has one.
	plainName       = newRule(1, 140, beforeName+`([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`)
	namespacedName  = newRule(1, 256, beforeName+`([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`)
	unqualifiedName = newRule(1, 140, beforeName+`([a-zA-Z0-9-_]+)`)

	anyQualifier         = newRule(1, 128, `\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`)
	provisionedQualifier = newRule(1, 128, `(|[a-zA-Z0-9$_-]+)`)
	urlQualifier         = textRule{1, 128, `((?!^\d+$)^[0-9a-zA-Z-_]+$)`, regexp.MustCompile(`^[0-9a-zA-Z-_]+$`), true}

	aliasName    = textRule{1, teal.MaxAliasLength, `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, regexp.MustCompile(`^[a-zA-Z0-9-_]+$`), true}
	aliasVersion = newRule(1, 1024, `(\$LATEST(\.PUBLISHED)?|[0-9]+)`)

	digitsPattern = regexp.MustCompile(`^[0-9]+$`)
)

// maxShortName is what AWS allows of a function's name alone.
const maxShortName = 64

// nameRules are the operations whose name has another rule than namespacedName.
var nameRules = map[string]*textRule{
	"CreateAlias": &plainName, "CreateFunction": &plainName, "CreateFunctionUrlConfig": &plainName, "DeleteAlias": &plainName,
	"DeleteFunctionConcurrency": &plainName, "DeleteFunctionUrlConfig": &plainName, "DeleteProvisionedConcurrencyConfig": &plainName,
	"GetAlias": &plainName, "GetFunctionConcurrency": &plainName, "GetFunctionUrlConfig": &plainName,
	"GetProvisionedConcurrencyConfig": &plainName, "ListAliases": &plainName, "ListFunctionUrlConfigs": &plainName,
	"ListProvisionedConcurrencyConfigs": &plainName, "PublishVersion": &plainName, "PutFunctionConcurrency": &plainName,
	"PutProvisionedConcurrencyConfig": &plainName, "UpdateAlias": &plainName, "UpdateFunctionCode": &plainName,
	"UpdateFunctionConfiguration": &plainName, "UpdateFunctionUrlConfig": &plainName,
	"GetFunctionRecursionConfig": &unqualifiedName, "PutFunctionRecursionConfig": &unqualifiedName,
}

func nameRule(operation string) *textRule {
	if rule := nameRules[operation]; rule != nil {
		return rule
	}
	return &namespacedName
}

// functionName is a function's name as it was written.
type functionName struct {
	target
	region, account string // "": not said
}

// readName reads what is a name by a rule. It does not say whether there is such a
// function.
func readName(v *violations, rule *textRule, text string) functionName {
	rule.check(v, "functionName", text)
	match := rule.fits.FindStringSubmatch(text)
	if match == nil {
		return functionName{}
	}
	n := functionName{region: strings.TrimSuffix(match[groupRegion], ":"), account: strings.TrimSuffix(match[groupAccount], ":")}
	n.name = match[groupName]
	if len(match) > groupQualifier {
		n.qualifier = match[groupQualifier]
	}
	return n
}

// reach refuses functions of somewhere else.
func (p Place) reach(n functionName, text string) error {
	if n.region != "" && n.region != p.Region {
		return faultf(codeNotFound, "Functions from '%s' are not reachable in this region ('%s')", n.region, p.Region)
	}
	if n.account != "" && n.account != p.Account {
		return faultf(codeAccessDenied, "User: arn:aws:iam::%s:root is not authorized to perform this action on resource: %s because no resource-based policy allows it", p.Account, text)
	}
	return nil
}

// parseFunction reads a name that stands for itself.
func (p Place) parseFunction(text string) (target, error) {
	return p.parse(spelled{name: text, rule: &namespacedName})
}

// spelled is how a request names a function, and by which rules.
type spelled struct {
	name            string
	rule            *textRule
	qualifier       string // "": none
	qualifierRule   textRule
	furtherMistakes violations // of the request's other values
}

// parse reads a name and joins the qualifier in it with the one beside it; two that
// disagree are refused.
func (p Place) parse(s spelled) (target, error) {
	v := s.furtherMistakes
	n := readName(&v, s.rule, s.name)
	if s.qualifier != "" {
		s.qualifierRule.check(&v, "qualifier", s.qualifier)
	}
	if err := v.err(); err != nil {
		return target{}, err
	}
	if err := p.reach(n, s.name); err != nil {
		return target{}, err
	}
	switch {
	case s.qualifier == "":
	case n.qualifier != "" && n.qualifier != s.qualifier:
		return target{}, invalidf("The derived qualifier from the function name does not match the specified qualifier.")
	default:
		n.qualifier = s.qualifier
	}
	return n.target, nil
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

// QueueARN returns the name of a queue in AWS's form.
func (p Place) QueueARN(name string) string {
	return "arn:aws:sqs:" + p.Region + ":" + p.Account + ":" + name
}

// Destination reads the resource name of a function that is to get events.
func (p Place) Destination(text string) (name, qualifier string, err error) {
	t, err := p.parseFunction(text)
	return t.name, t.qualifier, err
}
