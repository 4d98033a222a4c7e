package importer

import (
	"strconv"
	"strings"

	"teal/internal/yamltree"
)

// The bounds of AWS Lambda's settings for asynchronous invocations, which are Teal's.
const (
	mostRetries           = 2
	leastAge, greatestAge = 60, 21_600 // seconds
)

// retries reads how often a failed event is tried again.
func (r *report) retries(text string, at place) leaf {
	n, ok := r.whole(text, at)
	if ok && (n < 0 || n > mostRetries) {
		r.fail(at, "is %d; expected 0 to %d", n, mostRetries)
		ok = false
	}
	if !ok {
		return leaf{}
	}
	return leaf{strconv.Itoa(n), at}
}

// age reads how old an event may be that is still run, in seconds.
func (r *report) age(text string, at place) leaf {
	n, ok := r.whole(text, at)
	if ok && (n < leastAge || n > greatestAge) {
		r.fail(at, "is %d; expected %d to %d seconds", n, leastAge, greatestAge)
		ok = false
	}
	if !ok {
		return leaf{}
	}
	return leaf{strconv.Itoa(n) + "s", at}
}

// eventInvokeConfig reads the settings for asynchronous invocations.
func (f *samFunction) eventInvokeConfig(p property) {
	for _, pair := range f.pairs(p.value, p.at) {
		own := property{pair.Key, pair.Value, p.at.below(pair.Key, pair.At)}
		switch pair.Key {
		case "MaximumRetryAttempts":
			f.function.retries = number(f, own, f.report.retries)
		case "MaximumEventAgeInSeconds":
			f.function.age = number(f, own, f.report.age)
		case "DestinationConfig":
			f.leave(own.at, "%s", destinations)
		default:
			f.leave(own.at, "teal.yaml has nothing for it")
		}
	}
}

const layerType = "AWS::Serverless::LayerVersion"

// layers reads the layers of a function. Those of the template itself are folders.
func (f *samFunction) layers(p property) {
	if p.value.Kind != yamltree.List {
		f.leave(p.at, "%s", layers)
		return
	}
	for _, item := range p.value.Items {
		if l, ok := f.layer(item, p.at); ok {
			f.function.layers = append(f.function.layers, l)
			continue
		}
		f.leave(p.at, "%s: %s", or(describeCall(item), "a layer"), layers)
	}
}

// layer returns the folder of a layer of the template.
func (f *samFunction) layer(item *yamltree.Node, at place) (leaf, bool) {
	name, argument := call(item)
	resource, _ := f.resources.Child(argument.Text)
	if name != "Ref" || resource == nil || typeOf(resource) != layerType {
		return leaf{}, false
	}
	properties, _ := resource.Child("Properties")
	if properties == nil {
		return leaf{}, false
	}
	content, _ := properties.Child("ContentUri")
	if content == nil {
		return leaf{}, false
	}
	text, ok := f.silently(content)
	if !ok || strings.TrimSpace(text) == "" {
		return leaf{}, false
	}
	folder, reason := codeAt(f.source.Base, text)
	return leaf{folder, at}, reason == ""
}
