package manifest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// serverFile is what a file with the settings of a server may hold. A key is that of
// the flag of `teal server` with underscores, but for what a flag can only say in
// pieces: certificates and limits.
type serverFile struct {
	Data      text `yaml:"data"`
	HTTP      text `yaml:"http"`
	HTTPS     text `yaml:"https"`
	Admin     text `yaml:"admin"`
	Insecure  bool `yaml:"admin_insecure"`
	AdminTLS  bool `yaml:"admin_tls"`
	AdminHost text `yaml:"admin_host"`
	Level     text `yaml:"log_level"`
	MaxBundle text `yaml:"max_bundle"`
	SecretKey text `yaml:"secrets_key_command"`

	Override    []text `yaml:"override_from"`
	Trusted     []text `yaml:"trusted_proxies"`
	Underscores bool   `yaml:"underscores_in_headers"`

	Certificates []certificateFiles `yaml:"certificates"`
	Folders      []text             `yaml:"tls_dir"`

	TLS       text `yaml:"tls"`
	Directory text `yaml:"acme_directory"`
	Email     text `yaml:"acme_email"`
	Roots     text `yaml:"acme_ca_roots"`
	Redirect  bool `yaml:"https_redirect"`
	HSTS      text `yaml:"hsts"`

	AccessLog text `yaml:"access_log"`
	Format    text `yaml:"access_log_format"`
	Sample    text `yaml:"access_log_sample"`

	Limits map[string]text `yaml:"limits"`

	Region    text `yaml:"aws_region"`
	Account   text `yaml:"aws_account"`
	Buckets   text `yaml:"aws_buckets"`
	URLDomain text `yaml:"function_url_domain"`
}

// certificateFiles are the files of one certificate.
type certificateFiles struct {
	Cert text `yaml:"cert" need:"yes"`
	Key  text `yaml:"key" need:"yes"`
}

// ServerSetting is one thing that a file says about a server.
type ServerSetting struct {
	Flag   string   // of `teal server`, without its dashes, that says the same
	Values []string // one, or those of a list
	// Where names the place in the file, as in "teal-server.yaml:3:7: http".
	Where string
}

// LoadServer reads a file with settings of a server, in the order of its keys. It
// knows what is a setting and of which form, as strictly as Parse; what a value may
// be is for who takes the flags to say. The error has teal.CodeInvalidInput and one
// line for everything that is wrong.
func LoadServer(file string) ([]ServerSetting, error) {
	data, err := readRegular(file)
	if err != nil {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s", teal.MessageOf(err))
	}
	return parseServer(file, data)
}

var settingsTree = yamltree.Options{What: "a file with settings", Empty: "settings, such as `http`"}

func parseServer(file string, data []byte) ([]ServerSetting, error) {
	if blank(data) {
		return nil, nil
	}
	f := &findings{file: file}
	root := yamltree.Read(data, settingsTree, func(at yamltree.Position, path []string, message string) { f.addf(at, path, "%s", message) })
	var said serverFile
	if root != nil {
		(&decoder{f}).decode(root, reflect.ValueOf(&said).Elem(), place{key: root.At})
	}
	if len(f.errors) > 0 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%s", f.sorted().Error())
	}
	return said.settings(file, root), nil
}

// blank reports whether a file holds nothing but comments: every setting has a
// default.
func blank(data []byte) bool {
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\xef\xbb\xbf")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

func (s *serverFile) settings(file string, root *yamltree.Node) []ServerSetting {
	var settings []ServerSetting
	add := func(flag string, path []string, values ...string) {
		at := root.Locate(path)
		settings = append(settings, ServerSetting{
			Flag: flag, Values: values, Where: fmt.Sprintf("%s:%d:%d: %s", file, at.Line, at.Column, joinPath(path)),
		})
	}
	value := reflect.ValueOf(s).Elem()
	for _, p := range root.Pairs {
		path := []string{p.Key}
		switch v := value.Field(fieldsOf(value.Type()).index[p.Key]).Interface().(type) {
		case []certificateFiles:
			add("tls-cert", path, fieldOf(v, func(c certificateFiles) text { return c.Cert })...)
			add("tls-key", path, fieldOf(v, func(c certificateFiles) text { return c.Key })...)
		case map[string]text:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				add("limit", append(path, name), name+"="+string(v[name]))
			}
		case []text:
			add(flagOf(p.Key), path, fieldOf(v, func(t text) text { return t })...)
		default:
			add(flagOf(p.Key), path, fmt.Sprint(v))
		}
	}
	return settings
}

func flagOf(key string) string { return strings.ReplaceAll(key, "_", "-") }

func fieldOf[T any](list []T, field func(T) text) []string {
	values := make([]string, len(list))
	for i, item := range list {
		values[i] = string(field(item))
	}
	return values
}
