package environment

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"teal"
	"teal/internal/doctor"
	"teal/internal/gateway"
)

// previewName stands for the environment itself among the names of its
// components.
const previewName = ""

// Address returns the URL at which a running version answers whoever asks for
// it and not for an alias, on the loopback: that of its preview, which goes by
// its own routes, or of one component. It is reachable once the environment is
// ready. The error carries teal.CodeVersionNotRunning or
// teal.CodeUnknownComponent.
func (m *Manager) Address(app string, version int, component string) (string, error) {
	r := m.find(app, teal.VersionRef(version))
	if r == nil {
		return "", teal.Errorf(teal.CodeVersionNotRunning, "%s %s is not running", app, teal.VersionName(version))
	}
	handle, addresses := r.addresses()
	if handle == nil {
		return "", teal.Errorf(teal.CodeVersionNotRunning, "%s %s is still being built", app, teal.VersionName(version))
	}
	if component != "" {
		if _, err := handle.Component(component); err != nil {
			return "", err
		}
	}
	return addresses[component], nil
}

// addresses returns what runs and the URLs of its listeners.
func (r *running) addresses() (*gateway.Environment, map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handle, r.urls
}

func urls(listeners map[string]net.Listener) map[string]string {
	list := make(map[string]string, len(listeners))
	for name, l := range listeners {
		list[name] = "http://" + l.Addr().String()
	}
	return list
}

// StateDir makes the folder in which a component keeps what is to outlive its instances
// and versions, and returns it; "" where the server has none. A file in the way keeps no
// component from starting.
func (m *Manager) StateDir(app, component string) (string, error) {
	if m.cfg.StateDir == "" {
		return "", nil
	}
	folder := filepath.Join(m.cfg.StateDir, app, component)
	for _, path := range []string{filepath.Dir(folder), folder} {
		if err := doctor.MendFolder(m.cfg.Alerts, path); err != nil {
			return "", fmt.Errorf("folder for the state of %s: %w", component, err)
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("folder for the state of %s: %w", component, err)
	}
	return folder, nil
}
