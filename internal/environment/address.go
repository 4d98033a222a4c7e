package environment

import (
	"net"

	"teal"
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
