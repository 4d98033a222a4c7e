package environment

import (
	"net/netip"

	"teal"
	"teal/internal/gateway"
	"teal/internal/process"
)

// admit says who may call a listener of the environment, by the rule of
// process.Caller; component is "" for the preview.
func (r *running) admit(client, server netip.AddrPort, component string) gateway.Admission {
	who, err := r.manager.cfg.Processes.Caller(client, server, teal.EnvironmentName(r.version.App, r.ref))
	if err != nil {
		r.manager.blind.Do(func() {
			r.logger().Warn("TEAL_URL_… and previews believe every process of this machine", "reason", err)
		})
	}
	return admission(who, component == previewName)
}

func admission(who process.Caller, preview bool) gateway.Admission {
	switch {
	case who == process.CallerOwn:
		return gateway.AdmitAll
	case who == process.CallerUnknown, who == process.CallerUser && preview:
		return gateway.AdmitNoPages
	}
	return gateway.AdmitNone
}

// startProcess starts a process of the environment.
func (r *running) startProcess(spec process.Spec) (*process.Process, error) {
	spec.ReadOnly = append(spec.ReadOnly, r.manager.cfg.ReadOnly...)
	spec.Mask = r.secrets.masks()
	spec.Owner = teal.EnvironmentName(r.version.App, r.ref)
	return r.manager.cfg.Processes.Start(spec)
}
