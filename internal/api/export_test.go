package api

import "time"

// SetStall shortens how long a client may pause, before the server runs.
func (s *Server) SetStall(d time.Duration) { s.stall, s.rest = d, d }
