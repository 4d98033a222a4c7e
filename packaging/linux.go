package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // a packager registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // likewise
)

func deb(out string, r release, list []file) (string, error) {
	return linuxPackage("deb", out, r, list)
}
func rpm(out string, r release, list []file) (string, error) {
	return linuxPackage("rpm", out, r, list)
}

// linuxPackage makes a package of a format of nfpm's.
func linuxPackage(format, out string, r release, list []file) (path string, err error) {
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	info := nfpm.WithDefaults(r.info(list))
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	path = filepath.Join(out, packager.ConventionalFileName(info))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return path, packager.Package(info, f)
}

func (r release) info(list []file) *nfpm.Info {
	script := func(name string) string { return filepath.Join(r.source, "packaging/scripts", name) }
	info := &nfpm.Info{
		Name: "teal", Arch: r.arch, Platform: "linux", Version: r.version, MTime: r.date,
		Section: "net", Priority: "optional", Maintainer: "The Teal authors", Vendor: "Teal", License: "Apache-2.0",
		Description:     "Releases functions and HTTP services blue-green\nThe new version runs beside the current one, is checked there, takes the traffic at once\nor step by step, is monitored, and is rolled back automatically when it is worse.",
		DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Scripts: nfpm.Scripts{PostInstall: script("postinstall"), PreRemove: script("preremove"), PostRemove: script("postremove")},
			RPM:     nfpm.RPM{BuildHost: "teal"},
		},
	}
	info.Recommends = []string{"systemd"}
	for _, f := range list {
		content := &files.Content{Source: f.source, Destination: f.path, FileInfo: &files.ContentFileInfo{Mode: f.mode, MTime: r.date, Owner: "root", Group: "root"}}
		if f.settings {
			content.Type = files.TypeConfigNoReplace
		}
		info.Contents = append(info.Contents, content)
	}
	return info
}
