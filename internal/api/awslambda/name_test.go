package awslambda

import (
	"errors"
	"strings"
	"testing"
)

var here = Place{Region: "us-east-1", Account: "000000000000"}

func TestFunctionNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]target{
		"F":                                 {"F", ""},
		"my_fn-2":                           {"my_fn-2", ""},
		"F:1":                               {"F", "1"},
		"F:$LATEST":                         {"F", "$LATEST"},
		"F:live":                            {"F", "live"},
		"function":                          {"function", ""},
		"function:F":                        {"F", ""},
		"arn":                               {"arn", ""},
		"000000000000:function:F":           {"F", ""},
		"000000000000:function:F:live":      {"F", "live"},
		"us-east-1:000000000000:function:F": {"F", ""},
		"a.b":                               {"a.b", ""}, // a form that there is, of a function that there is not
		"F:$LATEST.PUBLISHED":               {"F", "$LATEST.PUBLISHED"},
		strings.Repeat("a", 141):            {strings.Repeat("a", 141), ""},
		"arn:aws:lambda:us-east-1:000000000000:function":           {"function", ""}, // without its end it is still a name
		"arn:aws:lambda:us-east-1:000000000000:layer:F":            {"layer", "F"},   // likewise
		"arn:aws:lambda:us-east-1:000000000000:function:F":         {"F", ""},
		"arn:aws:lambda:us-east-1:000000000000:function:F:2":       {"F", "2"},
		"arn:aws:lambda:us-east-1:000000000000:function:F:$LATEST": {"F", "$LATEST"},
	} {
		if got, err := here.parseFunction(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, code := range map[string]string{
		"":                       codeValidation,
		"a b":                    codeValidation,
		"F:":                     codeValidation,
		"F:1:2":                  codeValidation,
		"F:$HEAD":                codeValidation,
		"F:$latest":              codeValidation,
		"F/x":                    codeValidation,
		strings.Repeat("a", 257): codeValidation,
		"arn:aws:s3:us-east-1:000000000000:function:F":               codeValidation,
		"arn:aws:lambda:us-east-1:00000000000:function:F":            codeValidation,
		"arn:aws:lambda:us-east-1:000000000000:function:":            codeValidation,
		"arn:aws:lambda:us-east-1:000000000000:function:F:1:2":       codeValidation,
		"arn:aws:lambda:eu-west-1:000000000000:function:F":           codeNotFound,
		"arn:aws-eusc:lambda:eusc-de-east-1:000000000000:function:F": codeNotFound,
		"arn:aws:lambda:us-east-1:111111111111:function:F":           codeAccessDenied,
		"111111111111:function:F":                                    codeAccessDenied,
	} {
		got, err := here.parseFunction(text)
		var f *Fault
		if !errors.As(err, &f) || f.Code != code {
			t.Errorf("%q: %+v, %v; want %s", text, got, err, code)
		}
	}
}

func TestQualifiersInTwoPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, qualifier, want, code string }{
		{"F", "", "", ""}, {"F", "1", "1", ""}, {"F:1", "", "1", ""}, {"F:1", "1", "1", ""},
		{"F:1", "2", "", codeInvalidParameter}, {"F:live", "$LATEST", "", codeInvalidParameter},
		{"F", "$latest", "$latest", ""}, {"F", "a.b", "", codeValidation}, {"F", strings.Repeat("a", 129), "", codeValidation},
	} {
		got, err := here.parse(spelled{name: c.text, rule: &namespacedName, qualifier: c.qualifier, qualifierRule: anyQualifier})
		var f *Fault
		if c.code == "" && (err != nil || got.qualifier != c.want) || c.code != "" && (!errors.As(err, &f) || f.Code != c.code) {
			t.Errorf("%q and %q: %+v, %v", c.text, c.qualifier, got, err)
		}
	}
}

// A name that is accepted can be written out and read again, and can be an app's.
func FuzzFunctionName(f *testing.F) {
	for _, seed := range []string{"F", "F:1", "arn:aws:lambda:us-east-1:000000000000:function:F:live", "000000000000:function:F", ":::", "function:function:function", "us-east-1:F"} {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, text, qualifier string) {
		got, err := here.parse(spelled{name: text, rule: &namespacedName, qualifier: qualifier, qualifierRule: anyQualifier})
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatalf("%q: %v is not in AWS's words", text, err)
			}
			return
		}
		again, err := here.parseFunction(here.arn(got.name, got.qualifier))
		dollars := strings.Contains(got.qualifier, "$") // more of them may stand beside a name than in one
		if len(here.arn(got.name, got.qualifier)) <= namespacedName.max && !dollars && (err != nil || again != got) {
			t.Fatalf("%q: %+v, then %+v, %v", text, got, again, err)
		}
	})
}
