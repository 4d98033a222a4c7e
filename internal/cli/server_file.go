package cli

import (
	"fmt"

	"github.com/spf13/pflag"

	"teal"
	"teal/internal/manifest"
)

// origins says, by flag, where in a file a setting was given. What it does not know
// was given on the command line or has its default. A limit has a line of its own,
// by "limit NAME=VALUE".
type origins map[string]string

// of names a setting as whoever gave it knows it.
func (o origins) of(flag string) string {
	if where, found := o[flag]; found {
		return where
	}
	return "--" + flag
}

// limit is of for one of the values of --limit.
func (o origins) limit(value string) string {
	if where, found := o["limit "+value]; found {
		return where
	}
	return "--limit"
}

// wrong is the error of a setting that cannot be used.
func (o origins) wrong(flag, format string, args ...any) error {
	return teal.Errorf(teal.CodeInvalidInput, "%s: %w", o.of(flag), fmt.Errorf(format, args...))
}

// applyFile gives the flags that were not on the command line what the file says;
// limits of the file hold beside those of the command line, which are said later and
// so win. No file ("") says nothing.
func applyFile(flags *pflag.FlagSet, file string) (origins, error) {
	if file == "" {
		return nil, nil
	}
	settings, err := manifest.LoadServer(file)
	if err != nil {
		return nil, err
	}
	from, limits := origins{}, []string{}
	for _, setting := range settings {
		flag := flags.Lookup(setting.Flag)
		switch list, isList := flag.Value.(pflag.SliceValue); {
		case setting.Flag == "limit":
			limits = append(limits, setting.Values...)
			from["limit "+setting.Values[0]] = setting.Where
			continue
		case givenWith(flags, setting.Flag):
			continue
		case isList:
			err = list.Replace(setting.Values)
		default:
			err = flag.Value.Set(setting.Values[0])
		}
		if err != nil {
			return nil, teal.Errorf(teal.CodeInvalidInput, "%s: %w", setting.Where, err)
		}
		from[setting.Flag] = setting.Where
	}
	list, _ := flags.Lookup("limit").Value.(pflag.SliceValue)
	return from, list.Replace(append(limits, list.GetSlice()...))
}

// givenWith reports whether the command line has a flag, or its other half: of
// certificates all or none are the file's.
func givenWith(flags *pflag.FlagSet, flag string) bool {
	halves := map[string]string{"tls-cert": "tls-key", "tls-key": "tls-cert"}
	return flags.Changed(flag) || flags.Changed(halves[flag])
}
