package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	image1 "github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// containerUser is whom the server runs as: nobody that the host knows.
const containerUser = 65532

// image makes a container image from nothing but the program, the certificates of the
// public authorities, and the folders that it writes to; as a file for `docker load`.
func image(out string, r release, list []file) (string, error) {
	i := slices.IndexFunc(list, func(f file) bool { return f.path == "/usr/bin/teal" })
	program, err := os.ReadFile(list[i].source)
	if err != nil {
		return "", err
	}
	plain, err := r.archive([]entry{
		{path: "etc/", mode: 0o755}, {path: "etc/ssl/", mode: 0o755}, {path: "etc/ssl/certs/", mode: 0o755},
		{path: "etc/ssl/certs/ca-certificates.crt", data: authorities(), mode: 0o644},
		{path: "etc/passwd", data: fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nteal:x:%d:%[1]d:Teal:/var/lib/teal:/sbin/nologin\n", containerUser), mode: 0o644},
		{path: "tmp/", mode: 0o1777},
		{path: "usr/", mode: 0o755}, {path: "usr/bin/", mode: 0o755}, {path: "usr/bin/teal", data: program, mode: 0o755},
		{path: "var/", mode: 0o755}, {path: "var/lib/", mode: 0o755}, {path: "var/lib/teal/", mode: 0o700, user: containerUser},
	})
	if err != nil {
		return "", err
	}
	layer, err := image1.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(plain)), nil })
	if err != nil {
		return "", err
	}
	content, err := mutate.Append(empty.Image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "teal " + r.version}})
	if err != nil {
		return "", err
	}
	content, err = mutate.ConfigFile(content, r.imageConfig(content))
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag("teal:" + tagOf(r.version))
	if err != nil {
		return "", err
	}
	path := filepath.Join(out, fmt.Sprintf("teal-%s-linux-%s.image.tar", r.version, r.arch))
	return path, image1.WriteToFile(path, tag, content)
}

// imageConfig says how the server is run: its data in a volume, the gateway for
// everybody, the admin API for who is in the container.
func (r release) imageConfig(content v1.Image) *v1.ConfigFile {
	config, err := content.ConfigFile()
	if err != nil {
		panic(err) // it was made here
	}
	config = config.DeepCopy()
	config.Architecture, config.OS, config.Created = r.arch, "linux", v1.Time{Time: r.date}
	config.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/teal"}, Cmd: []string{"server"}, User: fmt.Sprint(containerUser),
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TEAL_DATA=/var/lib/teal"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}}, Volumes: map[string]struct{}{"/var/lib/teal": {}}, WorkingDir: "/var/lib/teal",
		Labels: map[string]string{"org.opencontainers.image.title": "Teal", "org.opencontainers.image.version": r.version, "org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return config
}

// authorities returns the public certificate authorities, as PEM.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil { // one with a constraint is more than a file can say
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
		}
	}
	return out.Bytes()
}

// tagOf returns a version as a tag, which may not have a plus sign.
func tagOf(version string) string {
	return string(bytes.ReplaceAll([]byte(version), []byte("+"), []byte("-")))
}
