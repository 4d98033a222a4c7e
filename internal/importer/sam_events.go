package importer

import (
	"strconv"

	"teal/internal/yamltree"
)

func lineOf(n *yamltree.Node) string { return strconv.Itoa(n.At.Line) }

// events reads what invokes a function.
func (f *samFunction) events(p property) {
	for _, pair := range f.pairs(p.value, p.at) {
		at := p.at.below(pair.Key, pair.At)
		event := f.shape(pair.Value)
		if event == nil || len(f.pairs(event, at)) == 0 {
			continue
		}
		kind := typeOf(event)
		properties, propertiesAt := child(event, "Properties", at)
		switch kind {
		case "":
			f.fail(at, "has no Type; expected one such as HttpApi")
		case "Api", "HttpApi":
			f.apiEvent(kind, properties, propertiesAt)
		default:
			f.leave(at, "%s", sourceReason(kind))
		}
	}
}

// sourceReason says why an event is left out.
func sourceReason(kind string) string {
	return "Teal has no events of the kind " + kind + "; what makes them can call the function: POST to a route, or `aws lambda invoke` against Teal"
}

func (f *samFunction) apiEvent(kind string, properties *yamltree.Node, at place) {
	e := endpoint{path: "/{proxy+}", function: f.function.name, payload: "2.0", from: at}
	if kind == "Api" {
		e.payload = "1.0"
	}
	if properties == nil {
		if kind == "Api" {
			f.fail(at, "is missing; expected Path and Method")
			return
		}
		properties = &yamltree.Node{At: at.at, Kind: yamltree.Mapping} // everything
	}
	ok := true
	for _, pair := range f.pairs(properties, at) {
		value := f.shape(pair.Value)
		if value != nil && !f.apiProperty(&e, pair.Key, value, at.below(pair.Key, pair.At)) {
			ok = false
		}
	}
	if ok {
		e.closed = f.closed(kind, properties)
		f.endpoints = append(f.endpoints, e)
	}
}

// apiProperty reads one property of an event of an API, and reports whether it can be
// told what it is.
func (f *samFunction) apiProperty(e *endpoint, key string, value *yamltree.Node, at place) (ok bool) {
	switch key {
	case "Path":
		e.path, ok = f.literal(value, at)
		return ok
	case "Method":
		text, ok := f.literal(value, at)
		if ok {
			e.method, ok = f.method(text, at)
		}
		return ok
	case "PayloadFormatVersion":
		if format, known := f.literal(value, at); known {
			e.payload = format
		}
	case "RestApiId", "ApiId", "Auth":
	default:
		f.leave(at, "Teal's gateway has nothing for it")
	}
	return true
}

// closed reports whether an event of an API is only for callers that are authorized, by
// itself or by its API.
func (f *samFunction) closed(kind string, event *yamltree.Node) bool {
	if demands, said := saysAuth(event); said {
		return demands
	}
	id, _ := event.Child(map[string]string{"Api": "RestApiId", "HttpApi": "ApiId"}[kind])
	if id != nil {
		_, argument := call(id)
		if api, _ := f.resources.Child(argument.Text); api != nil && argument.Text != "" {
			properties, _ := api.Child("Properties")
			return demandsAuth(properties)
		}
	}
	if f.globals == nil {
		return false
	}
	global, _ := f.globals.Child(kind)
	return demandsAuth(global)
}

// saysAuth reports whether an event demands that callers prove who they are, if it says
// anything about that.
func saysAuth(event *yamltree.Node) (demands, said bool) {
	auth, _ := event.Child("Auth")
	if auth == nil {
		return false, false
	}
	if one, _ := auth.Child("Authorizer"); one != nil {
		return one.Text != "NONE", true
	}
	if one, _ := auth.Child("ApiKeyRequired"); one != nil {
		return one.Text != "false", true
	}
	demands = auth.Has("ResourcePolicy") || auth.Has("AuthorizationScopes")
	return demands, demands
}

// demandsAuth reports whether an API lets nobody in without an authorizer's word.
func demandsAuth(api *yamltree.Node) bool {
	if api == nil {
		return false
	}
	auth, _ := api.Child("Auth")
	return auth != nil && (auth.Has("DefaultAuthorizer") || auth.Has("ApiKeyRequired") || auth.Has("ResourcePolicy"))
}

func (f *samFunction) functionURL(p property) {
	e := endpoint{path: "/{proxy+}", function: f.function.name, payload: "2.0", url: true, from: p.at}
	for _, pair := range f.pairs(p.value, p.at) {
		at := p.at.below(pair.Key, pair.At)
		switch pair.Key {
		case "AuthType":
			if auth, ok := f.literal(pair.Value, at); !ok || auth == "AWS_IAM" {
				f.leave(p.at, "%s", signedURL)
				return
			}
		default:
			f.leave(at, "Teal's gateway has nothing for it; a function URL that is made with AWS's tools has")
		}
	}
	f.endpoints = append(f.endpoints, e)
}
