package awslambda

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"time"

	"teal"
)

// codePath is where a version's code can be downloaded from, with a presigned
// URL.
const codePath = "/lambda-code/"

// codeLife is how long such a URL is good: AWS's ten minutes.
const codeLife = 10 * time.Minute

// CodeLocation is the shape FunctionCodeLocation.
type CodeLocation struct {
	RepositoryType string
	Location       string
}

// stored is code that has been taken in.
type stored struct {
	digest string
	sha    string // base64
	size   int64
}

// takeCode stores the code that a request brings or names, unless check refuses
// the names of its files.
func (h *Handler) takeCode(q *request, in codeInput, check func(names []string) error) (stored, error) {
	data, err := h.findCode(in)
	if err != nil {
		return stored{}, err
	}
	if len(data) > maxZip {
		return stored{}, faultf(codeBodyTooLarge, "Zipped size must be smaller than %d bytes", maxZip)
	}
	if err := checkZip(data, check); err != nil {
		return stored{}, err
	}
	digest, err := h.cfg.Backend.PutCode(q.ctx, data)
	switch {
	case teal.IsCode(err, teal.CodeTooLarge):
		return stored{}, invalidf("Unzipped size must be smaller than %d bytes", unzippedLimit)
	case teal.IsCode(err, teal.CodeInvalidBundle):
		return stored{}, invalidf("%s %s", badZip, teal.MessageOf(err))
	case err != nil:
		return stored{}, err
	}
	sum := sha256.Sum256(data)
	return stored{digest: digest, sha: base64.StdEncoding.EncodeToString(sum[:]), size: int64(len(data))}, nil
}

const (
	badZip        = "Could not unzip uploaded file. Please check your file, then try to upload again."
	unzippedLimit = 262144000
)

// checkZip refuses what is no zip or holds nothing. What is in it is the
// backend's to check.
func checkZip(data []byte, check func(names []string) error) error {
	if len(data) == 0 {
		return invalidf("Uploaded file must be a non-empty zip")
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	switch {
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return invalidf(badZip)
	case len(archive.File) == 0:
		return invalidf("Uploaded file must be a non-empty zip")
	}
	names := make([]string, 0, len(archive.File))
	for _, file := range archive.File {
		names = append(names, file.Name)
	}
	return check(names)
}

// anyFiles is the check of a function's own code.
func anyFiles([]string) error { return nil }

func (h *Handler) findCode(in codeInput) ([]byte, error) {
	switch {
	case in.ImageUri != "":
		return nil, unavailablef("ImageUri: functions are zips, not images.")
	case in.ZipFile != nil && (in.S3Bucket != "" || in.S3Key != ""):
		return nil, invalidf("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case in.ZipFile != nil:
		return in.ZipFile, nil
	case in.S3Bucket == "" || in.S3Key == "":
		return nil, invalidf("Please provide a source for function code.")
	case in.S3ObjectVersion != "":
		return nil, unavailablef("S3ObjectVersion: a bucket is a folder, which has no versions.")
	case h.cfg.Buckets == "":
		return nil, unavailablef("S3Bucket: this server has no folder of buckets; name one with --aws-buckets, or send the zip in ZipFile.")
	}
	return readBucket(h.cfg.Buckets, in.S3Bucket, in.S3Key)
}

// readBucket reads an object: a file below the folder that stands for its
// bucket. Nothing outside of that folder can be named.
func readBucket(buckets, bucket, key string) ([]byte, error) {
	const failed = "Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s"
	root, err := os.OpenRoot(buckets)
	if err != nil {
		return nil, invalidf(failed, "NoSuchBucket", "The specified bucket does not exist")
	}
	defer func() { _ = root.Close() }() // only read from
	if info, err := root.Stat(bucket); err != nil || !info.IsDir() || path.Base(bucket) != bucket {
		return nil, invalidf(failed, "NoSuchBucket", "The specified bucket does not exist")
	}
	file, err := root.Open(path.Join(bucket, path.Clean("/"+key)))
	if err != nil {
		return nil, invalidf(failed, "NoSuchKey", "The specified key does not exist.")
	}
	defer func() { _ = file.Close() }() // likewise
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, invalidf(failed, "NoSuchKey", "The specified key does not exist.")
	}
	data, err := io.ReadAll(io.LimitReader(file, maxZip+1))
	if err != nil {
		return nil, invalidf(failed, "InternalError", "The object could not be read.")
	}
	return data, nil
}

// codeLocation returns a URL on this server that hands out a content's code.
func (h *Handler) codeLocation(q *request, f teal.Function) CodeLocation {
	return CodeLocation{RepositoryType: "S3", Location: h.location(q, f.Code, settingsOf(f).CodeSha256)}
}

// download hands out a zip.
func (h *Handler) download(q *request) (any, error) {
	code, err := h.cfg.Backend.Code(q.ctx, q.query.Get("zip"), q.params["Digest"])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, faultf(codeNotFound, "There is no such code any more.")
	}
	if err != nil {
		return nil, err
	}
	return &reply{
		headers: map[string]string{"Content-Type": "application/zip"},
		stream: func(w http.ResponseWriter) error {
			_, _ = io.Copy(w, code) // half a zip is seen to be one
			_ = code.Close()        // only read from
			return nil
		},
	}, nil
}

// location returns a URL on this server that hands out code for a while.
func (h *Handler) location(q *request, digest, sha string) string {
	sum, _ := base64.StdEncoding.DecodeString(sha) // "": packed when asked for
	scheme := "http"
	if q.http.TLS != nil {
		scheme = "https"
	}
	u := &url.URL{Scheme: scheme, Host: q.http.Host, Path: codePath + digest}
	u.RawQuery = "zip=" + hex.EncodeToString(sum)
	return h.key.Presign(u, h.cfg.Now(), codeLife)
}

// ZipOf returns the SHA-256, in hexadecimal, of the zip that a function's code was
// sent in; "" when it came in another way.
func ZipOf(f teal.Function) string { return hexSum(settingsOf(f).CodeSha256) }

// Zip returns the SHA-256, in hexadecimal, of the zip that the layer was sent in.
func (l Layer) Zip() string { return hexSum(l.CodeSha256) }

func hexSum(sha string) string {
	sum, _ := base64.StdEncoding.DecodeString(sha) // what is none has no zip
	return hex.EncodeToString(sum)
}
