package unit

import (
	"embed"
	"strings"
)

// The names of the files, and what in them an installation may change.
const (
	Service  = "teal.service"
	Settings = "teal-server.yaml" // as /etc/teal has it at first
	Sysusers = "sysusers.conf"

	packaged = "/usr/bin/teal" // the program in Service
)

// Units are the names of the units.
var Units = []string{Service, "teal-http.socket", "teal-https.socket"}

//go:embed teal.service teal-http.socket teal-https.socket teal-server.yaml sysusers.conf
var files embed.FS

// File returns the file of that name, as packages install it.
func File(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the names are this package's own
	}
	return data
}

// forProgram returns a unit that runs another program than the packaged one.
func forProgram(name, program string) []byte {
	return []byte(strings.ReplaceAll(string(File(name)), "ExecStart="+packaged+" ", "ExecStart="+program+" "))
}
