package awslambda

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal"
)

// Layer is one version of a layer: code that functions may have beside their own.
type Layer struct {
	Name   string
	Number int // 1, 2, 3 …; never given out twice

	Description   string   `json:",omitempty"`
	License       string   `json:",omitempty"`
	Runtimes      []string `json:",omitempty"`
	Architectures []string `json:",omitempty"`
	CreatedAt     time.Time

	Code       string // digest of the bundle
	CodeSha256 string // of the zip that was sent, base64
	CodeSize   int64  // likewise
	Policy     Policy
}

// Limits of AWS's on layers.
const (
	maxLicense             = 512
	maxLayerRuntimes       = 15
	maxLayerPage           = 50
	layerNameForm          = `(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`
	layerVersionForm       = `(arn:(aws[a-zA-Z-]*)?:lambda:` + regionForm + `:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`
	layerVersionConstraint = "Member must satisfy regular expression pattern: " + layerVersionForm
	layerAction            = "lambda:GetLayerVersion"
	noLayerVersion         = "The resource you requested does not exist."
	layerPrincipalForm     = `\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root`
)

var (
	layerNameRule         = newRule(1, 140, layerNameForm)
	layerNamePattern      = regexp.MustCompile(`^(?:arn:[a-zA-Z0-9-]+:lambda:([a-zA-Z0-9-]+):(\d{12}):layer:)?([a-zA-Z0-9-_]+)$`)
	layerVersionPattern   = regexp.MustCompile(`^arn:[a-zA-Z0-9-]+:lambda:([a-zA-Z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+):([0-9]+)$`)
	layerPrincipalPattern = regexp.MustCompile(`^(` + layerPrincipalForm + `)$`)
	organizationPattern   = regexp.MustCompile(`^(o-[a-z0-9]{10,32})?$`)
)

func (p Place) layerARN(name string) string {
	return "arn:aws:lambda:" + p.Region + ":" + p.Account + ":layer:" + name
}

func (p Place) layerVersionARN(name string, number int) string {
	return p.layerARN(name) + ":" + strconv.Itoa(number)
}

// parseLayer reads a layer's name, or its ARN without a version. v is what is wrong
// with the request's other values.
func (p Place) parseLayer(v *violations, text string) (string, error) {
	layerNameRule.check(v, "layerName", text)
	if err := v.err(); err != nil {
		return "", err
	}
	match := layerNamePattern.FindStringSubmatch(text)
	if match[1] != "" {
		if err := p.checkLayerPlace(text, match[1], match[2]); err != nil {
			return "", err
		}
	}
	name := match[3]
	if name[0] == '-' {
		return "", unavailablef("The layer name %s: a name that starts with a dash is a flag to commands.", name)
	}
	if len(name) > maxShortName {
		return "", unavailablef("The layer name %s… is longer than %d characters.", name[:maxShortName], maxShortName)
	}
	return name, nil
}

// checkLayerPlace refuses layers of somewhere else: nothing here can fetch them.
func (p Place) checkLayerPlace(arn, region, account string) error {
	switch {
	case account != p.Account:
		return faultf(codeAccessDenied, "User: arn:aws:iam::%s:root is not authorized to perform: %s on resource: %s because no resource-based policy allows the %s action", p.Account, layerAction, arn, layerAction)
	case region != p.Region:
		return invalidf("Layers from '%s' are not reachable in this region ('%s'): %s", region, p.Region, arn)
	}
	return nil
}

// parseLayerVersion reads the ARN of a layer's version.
func (p Place) parseLayerVersion(arn, member string) (name string, number int, err error) {
	match := layerVersionPattern.FindStringSubmatch(arn)
	if match == nil || len(arn) > 140 {
		return "", 0, invalid(arn, member, layerVersionConstraint)
	}
	if err := p.checkLayerPlace(arn, match[1], match[2]); err != nil {
		return "", 0, err
	}
	if number, err = strconv.Atoi(match[4]); err != nil {
		number = 0 // no version has such a number
	}
	return match[3], number, nil
}

// layerContentInput is the shape LayerVersionContentInput.
type layerContentInput struct {
	ZipFile         []byte
	S3Bucket        string
	S3Key           string
	S3ObjectVersion string
}

type publishLayerInput struct {
	Description             string
	Content                 *layerContentInput
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
	LicenseInfo             string
}

// mistakes returns which values break the constraints of the model.
func (in *publishLayerInput) mistakes() violations {
	var v violations
	if in.Content == nil {
		v.add(nil, "content", "Member must not be null")
	}
	descriptionRule.check(&v, "description", in.Description)
	textRule{max: maxLicense}.check(&v, "licenseInfo", in.LicenseInfo)
	shown := func(list []string) string { return "[" + strings.Join(list, ", ") + "]" }
	if len(in.CompatibleRuntimes) > maxLayerRuntimes {
		v.add(shown(in.CompatibleRuntimes), "compatibleRuntimes", "Member must have length less than or equal to 15")
	}
	if slices.ContainsFunc(in.CompatibleRuntimes, isNoRuntime) {
		v.add(shown(in.CompatibleRuntimes), "compatibleRuntimes", "Member must satisfy enum value set: ["+runtimesOfAWS+"]")
	}
	if len(in.CompatibleArchitectures) > len(architectures) {
		v.add(shown(in.CompatibleArchitectures), "compatibleArchitectures", "Member must have length less than or equal to 2")
	}
	if slices.ContainsFunc(in.CompatibleArchitectures, func(name string) bool { return !slices.Contains(architectures, name) }) {
		v.add(shown(in.CompatibleArchitectures), "compatibleArchitectures", "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
	}
	return v
}

// architectures are AWS's names of them.
var architectures = []string{"x86_64", "arm64"}

// isNoRuntime reports what AWS has never had. A layer may say that it is for runtimes
// that functions here cannot have.
func isNoRuntime(name string) bool {
	return teal.RuntimeFamily(name) == "" && !elsewhere.MatchString(name) && !retired.MatchString(name)
}

// LayerVersionView is the shape GetLayerVersionResponse, without the content that
// of LayerVersionsListItem.
type LayerVersionView struct {
	Content                 *LayerContent `json:",omitempty"`
	LayerArn                string        `json:",omitempty"`
	LayerVersionArn         string
	Description             string
	CreatedDate             string
	Version                 int
	CompatibleRuntimes      []string `json:",omitempty"`
	CompatibleArchitectures []string `json:",omitempty"`
	LicenseInfo             string   `json:",omitempty"`
}

// LayerContent is the shape LayerVersionContentOutput.
type LayerContent struct {
	Location   string
	CodeSha256 string
	CodeSize   int64
}

// describeLayer returns a layer's version as lists have it.
func (h *Handler) describeLayer(l Layer) LayerVersionView {
	return LayerVersionView{
		LayerVersionArn: h.cfg.Place.layerVersionARN(l.Name, l.Number), Description: l.Description,
		CreatedDate: l.CreatedAt.UTC().Format(timeFormat), Version: l.Number,
		CompatibleRuntimes: l.Runtimes, CompatibleArchitectures: l.Architectures, LicenseInfo: l.License,
	}
}

// describeWholeLayer also says where its code is.
func (h *Handler) describeWholeLayer(q *request, l Layer) LayerVersionView {
	view := h.describeLayer(l)
	view.LayerArn = h.cfg.Place.layerARN(l.Name)
	view.Content = &LayerContent{Location: h.location(q, l.Code, l.CodeSha256), CodeSha256: l.CodeSha256, CodeSize: l.CodeSize}
	return view
}

func (h *Handler) publishLayer(q *request) (any, error) {
	var in publishLayerInput
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	mistakes := in.mistakes()
	name, err := h.cfg.Place.parseLayer(&mistakes, q.params["LayerName"])
	if err != nil {
		return nil, err
	}
	defer h.cfg.Backend.Keep()()
	code, err := h.takeCode(q, codeInput{ZipFile: in.Content.ZipFile, S3Bucket: in.Content.S3Bucket, S3Key: in.Content.S3Key, S3ObjectVersion: in.Content.S3ObjectVersion}, layerFiles)
	if err != nil {
		return nil, err
	}
	layer, err := h.cfg.Backend.PublishLayer(q.ctx, Layer{
		Name: name, Description: in.Description, License: in.LicenseInfo, Runtimes: in.CompatibleRuntimes,
		Architectures: in.CompatibleArchitectures, CreatedAt: h.cfg.Now(),
		Code: code.digest, CodeSha256: code.sha, CodeSize: code.size,
	})
	if err != nil {
		return nil, err
	}
	view := h.describeWholeLayer(q, layer)
	return struct {
		LayerVersionView
		CompatibleRuntimes      *[]string `json:",omitempty"` // as on AWS, who publishes is told of an empty list
		CompatibleArchitectures *[]string `json:",omitempty"`
	}{view, said(in.CompatibleRuntimes), said(in.CompatibleArchitectures)}, nil
}

// said returns a list that was sent, be it empty; nil for none.
func said(list []string) *[]string {
	if list == nil {
		return nil
	}
	return &list
}

// layerFiles refuses what a layer may hold on AWS and nothing here would start.
func layerFiles(names []string) error {
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, "extensions/"); ok && rest != "" {
			return unavailablef("The file %s: there are no extensions.", name)
		}
	}
	return nil
}

// layer returns the version that a request's path names.
func (h *Handler) layer(q *request) (Layer, error) {
	name, err := h.cfg.Place.parseLayer(new(violations), q.params["LayerName"])
	if err != nil {
		return Layer{}, err
	}
	number, err := strconv.ParseInt(q.params["VersionNumber"], 10, 64)
	if err != nil {
		return Layer{}, faultf(codeSerialization, "STRING_VALUE can not be converted to a Long")
	}
	if number < 1 {
		return Layer{}, invalidf("Layer Version Cannot be less than 1")
	}
	if number > math.MaxInt32 {
		return Layer{}, faultf(codeNotFound, noLayerVersion)
	}
	return h.findLayer(q.ctx, name, int(number))
}

func (h *Handler) findLayer(ctx context.Context, name string, number int) (Layer, error) {
	layer, err := h.cfg.Backend.Layer(ctx, name, number)
	if teal.IsCode(err, teal.CodeNotFound) {
		return layer, faultf(codeNotFound, noLayerVersion)
	}
	return layer, err
}

func (h *Handler) getLayer(q *request) (any, error) {
	layer, err := h.layer(q)
	if err != nil {
		return nil, err
	}
	return h.describeWholeLayer(q, layer), nil
}

func (h *Handler) getLayerByARN(q *request) (any, error) {
	name, number, err := h.cfg.Place.parseLayerVersion(q.query.Get("Arn"), "arn")
	if err != nil {
		return nil, err
	}
	layer, err := h.findLayer(q.ctx, name, number)
	if err != nil {
		return nil, err
	}
	return h.describeWholeLayer(q, layer), nil
}

func (h *Handler) deleteLayer(q *request) (any, error) {
	layer, err := h.layer(q)
	if fault := asFault(err); fault != nil && fault.Code == codeNotFound {
		return nil, nil // as on AWS, deleting what is not there is done
	}
	if err != nil {
		return nil, err
	}
	return nil, h.cfg.Backend.DeleteLayer(q.ctx, layer.Name, layer.Number)
}

// ListLayerVersionsOutput is the shape ListLayerVersionsResponse.
type ListLayerVersionsOutput struct {
	NextMarker    string `json:",omitempty"`
	LayerVersions []LayerVersionView
}

func (h *Handler) listLayerVersions(q *request) (any, error) {
	name, err := h.cfg.Place.parseLayer(new(violations), q.params["LayerName"])
	if err != nil {
		return nil, err
	}
	list, err := h.layersFor(q, name)
	if err != nil {
		return nil, err
	}
	slices.Reverse(list) // the newest first
	out := ListLayerVersionsOutput{LayerVersions: []LayerVersionView{}}
	list, out.NextMarker, err = page(q, "versions of layer "+name, list, func(l Layer) string { return numberKey(math.MaxInt32 - l.Number) })
	for _, l := range list {
		out.LayerVersions = append(out.LayerVersions, h.describeLayer(l))
	}
	return out, err
}

// ListLayersOutput is the shape ListLayersResponse.
type ListLayersOutput struct {
	NextMarker string `json:",omitempty"`
	Layers     []LayersItem
}

// LayersItem is the shape LayersListItem.
type LayersItem struct {
	LayerName             string
	LayerArn              string
	LatestMatchingVersion LayerVersionView
}

func (h *Handler) listLayers(q *request) (any, error) {
	list, err := h.layersFor(q, "")
	if err != nil {
		return nil, err
	}
	var newest []Layer
	for i, l := range list {
		if i+1 == len(list) || list[i+1].Name != l.Name {
			newest = append(newest, l)
		}
	}
	out := ListLayersOutput{Layers: []LayersItem{}}
	newest, out.NextMarker, err = page(q, "layers", newest, func(l Layer) string { return l.Name })
	for _, l := range newest {
		out.Layers = append(out.Layers, LayersItem{l.Name, h.cfg.Place.layerARN(l.Name), h.describeLayer(l)})
	}
	return out, err
}

// layersFor returns the versions of a layer, or of all layers for "", that are for
// the runtime and the architecture that a request asks for.
func (h *Handler) layersFor(q *request, name string) ([]Layer, error) {
	runtime, architecture := q.query.Get("CompatibleRuntime"), q.query.Get("CompatibleArchitecture")
	var v violations
	if runtime != "" && isNoRuntime(runtime) {
		v.add(runtime, "compatibleRuntime", "Member must satisfy enum value set: ["+runtimesEver+"]")
	}
	checkEnum(&v, "compatibleArchitecture", architecture, architectures...)
	if n, err := strconv.Atoi(q.query.Get("MaxItems")); err == nil {
		checkRange(&v, "maxItems", &n, 1, maxLayerPage)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	list, err := h.cfg.Backend.Layers(q.ctx, name)
	return slices.DeleteFunc(list, func(l Layer) bool {
		return runtime != "" && !slices.Contains(l.Runtimes, runtime) || architecture != "" && !slices.Contains(l.Architectures, architecture)
	}), err
}
