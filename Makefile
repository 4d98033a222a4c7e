# Everything here works on a fresh clone with Go installed. `make demo` also
# wants Python 3; `make test` installs the Python and Node that it wants.

GOLANGCI_VERSION := v2.15.0
LDFLAGS := -s -w

.PHONY: build pictures packages test-packages demo test test-long lint bench bench-judge bench-gateway conformance e2e fuzz clean

build: ## bin/teal, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/teal ./cmd/teal

packages: ## .deb, .rpm, tarball and container image of the commit, in bin/packages; ARCH=amd64,arm64
	cd packaging && go build -mod=mod -o ../bin/packaging .
	bin/packaging -out bin/packages -arch $(or $(ARCH),amd64,arm64)

test-packages: ## the packages, built twice, compared and installed in a folder; wants dpkg, rpm
	cd packaging && go test -mod=mod -count=1 .

demo: build ## blue, green, 90/10, promote, roll back, in under a minute
	@./scripts/demo bin/teal

test: ## every test, with the race detector
	@./scripts/need python3 node npm boto3 aws
	@timeout 300 ./scripts/need gunicorn psycopg2 psql chromium || echo "the tests that want them are skipped"
	go test -race -count=1 -timeout 25m ./...

test-long: ## every record and every file of a data directory damaged in every way; some 15 minutes
	TEAL_LONG=1 go test -count=1 -timeout 60m -run TestOneDamagedRecordOrFile ./internal/daemon

lint: bin/golangci-lint-$(GOLANGCI_VERSION) ## format, vet, linters, and that other systems compile
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	go vet -tags faults ./internal/daemon ./test/...
	bin/golangci-lint-$(GOLANGCI_VERSION) run ./...
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/teal
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/teal
	GOOS=darwin GOARCH=arm64 go vet ./internal/... ./cmd/... .

bin/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $@

bin/prometheus: internal/check/testdata/prometheus/go.mod ## the server that the tests of queries ask; some minutes
	cd internal/check/testdata/prometheus && go build -tags remove_all_sd -o $(CURDIR)/$@ github.com/prometheus/prometheus/cmd/prometheus

e2e: ## only the tests that drive the real binary
	@./scripts/need python3 node npm boto3 aws
	@timeout 300 ./scripts/need gunicorn psycopg2 psql chromium || echo "the tests that want them are skipped"
	go test -race -count=1 -timeout 20m -v ./test/e2e/...

pictures: ## the console as docs/console.md and the README show it; wants Chromium
	@./scripts/need chromium
	TEAL_PICTURES=$(CURDIR)/docs/pictures go test -count=1 -run TestAReleaseInTheConsole ./test/e2e

bench: build ## the numbers of docs/benchmarks.md
	@./scripts/need python3 node
	go run ./test/bench -teal bin/teal

bench-judge: ## false rollbacks and delays of the judge; RUNS=200 DELAYS=400 WRITE=docs for docs/judging.md
	go run ./test/bench-judge -runs $(or $(RUNS),20) -delays $(or $(DELAYS),100) $(if $(WRITE),-write $(WRITE))

bench-gateway: build ## the gateway beside nginx, HAProxy and Caddy: docs/benchmarks-gateway.md
	go build -o bin/bench-gateway ./test/bench-gateway
	bin/bench-gateway -teal bin/teal

conformance: build ## HTTP/2 and gRPC with the public test tools
	cd test/conformance && TEAL=$(CURDIR)/bin/teal go test -count=1 -v ./...

fuzz: ## every fuzz target for FUZZTIME each
	@./scripts/fuzz $(or $(FUZZTIME),30s)

clean:
	rm -rf bin
