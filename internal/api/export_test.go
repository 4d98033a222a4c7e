package api

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// SetStall shortens how long a client may pause, before the server runs.
func (s *Server) SetStall(d time.Duration) { s.stall, s.rest = d, d }

// ViewRecord is viewRecord.
func ViewRecord(record any) any { return viewRecord(record) }

// Responses returns the type of every JSON document that an operation may answer
// with, by operation and status.
func (s *Server) Responses() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	document := s.api.OpenAPI()
	for _, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Head} {
			if operation == nil {
				continue
			}
			for status, response := range operation.Responses {
				for _, media := range response.Content {
					if media.Schema != nil && media.Schema.Ref != "" {
						types[operation.OperationID+" "+status] = document.Components.Schemas.TypeFromRef(media.Schema.Ref)
					}
				}
			}
		}
	}
	return types
}
