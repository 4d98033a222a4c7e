package scaffold

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/manifest"
)

// load writes an app and what its folder holds, and reads it as a deploy does.
func load(t testing.TB, held map[string]string, app App) *manifest.Manifest {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		full := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(name, "*")))
		mode := fs.FileMode(0o600)
		if strings.HasSuffix(name, "*") {
			mode = 0o700
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range held {
		write(name, []byte(content))
	}
	for _, f := range app.Files {
		write(f.Path, f.Data)
	}
	m, err := manifest.Load(dir, manifest.Variables{})
	if err != nil {
		t.Fatalf("%v\n%s", err, app.Files[0].Data)
	}
	return m
}

func folder(held map[string]string) fs.FS {
	dir := fstest.MapFS{}
	for name, content := range held {
		mode := fs.FileMode(0o600)
		if strings.HasSuffix(name, "*") {
			mode = 0o700
		}
		dir[strings.TrimSuffix(name, "*")] = &fstest.MapFile{Data: []byte(content), Mode: mode}
	}
	return dir
}

func TestFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held    map[string]string
		command string // of a service
		handler string // runtime and handler of a function
		health  string
		todo    string
	}{
		"nothing":       {held: map[string]string{"README.md": "hi"}, handler: "python3 app.lambda_handler"},
		"procfile":      {held: map[string]string{"Procfile": "release: ./migrate\nweb: gunicorn app:app --bind 127.0.0.1:$PORT\n", "app.py": "@app.get('/healthz')"}, command: "gunicorn app:app --bind 127.0.0.1:$PORT", health: "/healthz"},
		"procfile sh":   {held: map[string]string{"Procfile": "web: A=1 ./run --x=${Y}"}, command: "sh -c exec A=1 ./run --x=${Y}"},
		"bootstrap":     {held: map[string]string{"bootstrap*": "#!/bin/sh\n"}, handler: "provided "},
		"node start":    {held: map[string]string{"package.json": `{"scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}`, "server.js": "app.get(\"/health\")"}, command: "node server.js", health: "/health", todo: "npm ci"},
		"node npm":      {held: map[string]string{"package.json": `{"scripts":{"start":"tsx src/a.ts"}}`}, command: "npm start"},
		"next":          {held: map[string]string{"package.json": `{"scripts":{"start":"next start"},"dependencies":{"next":"15"}}`, "node_modules/.bin/next*": "#!/bin/sh\n"}, command: "node_modules/.bin/next start --hostname $HOST --port $PORT"},
		"node main":     {held: map[string]string{"package.json": `{"main":"./lib/x.js"}`, "lib/x.js": ""}, command: "node lib/x.js"},
		"node handler":  {held: map[string]string{"index.mjs": "export const handler = async (event) => 1\n"}, handler: "nodejs index.handler"},
		"node exports":  {held: map[string]string{"package.json": "{}", "fn.js": "exports.handler = (e, c) => 1\n"}, handler: "nodejs fn.handler"},
		"lambda":        {held: map[string]string{"app.py": "import x\n\ndef lambda_handler(event, context):\n    pass\n"}, handler: "python3 app.lambda_handler"},
		"flask":         {held: map[string]string{"main.py": "app = Flask(__name__)\n"}, command: "python3 -m flask --app main:app run --host $HOST --port $PORT", todo: "pip install"},
		"gunicorn":      {held: map[string]string{"wsgi.py": "application = Flask(__name__)\n", "requirements.txt": "Flask\nGunicorn==23\n"}, command: "python3 -m gunicorn wsgi:application --bind $HOST:$PORT"},
		"fastapi":       {held: map[string]string{"main.py": "api: FastAPI = FastAPI()\n@api.get('/up')\n"}, command: "python3 -m uvicorn main:api --host $HOST --port $PORT", health: "/up"},
		"django":        {held: map[string]string{"manage.py": "", "shop/wsgi.py": "", "requirements.txt": "django"}, command: "python3 -m gunicorn shop.wsgi:application --bind $HOST:$PORT", todo: "gunicorn"},
		"go":            {held: map[string]string{"go.mod": "module example.com/shop/web\n", "main.go": "package main\nfunc x() { mux.HandleFunc(\"GET /healthz\", h) }", "web*": "ELF"}, command: "./web", health: "/healthz", todo: "go build -o web"},
		"go function":   {held: map[string]string{"go.mod": "module f\n", "main.go": "package main\nimport \"github.com/aws/aws-lambda-go/lambda\"", "bootstrap": "x"}, handler: "provided ", todo: "go build -o bootstrap"},
		"broken json":   {held: map[string]string{"package.json": "{"}, handler: "python3 app.lambda_handler"},
		"go no program": {held: map[string]string{"go.mod": "module lib\n", "lib.go": "package lib"}, handler: "python3 app.lambda_handler"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, err := Folder(folder(c.held), "shop")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "go function") { // built, as the advice says
				c.held["bootstrap*"] = "x"
				delete(c.held, "bootstrap")
			}
			m := load(t, c.held, app)
			component := m.Spec.Components[m.Spec.Routes[0].To]
			switch {
			case c.command != "":
				if got := strings.Join(component.Service.Command, " "); got != c.command || c.health != "" && component.Service.Health.Path != c.health {
					t.Errorf("command %q, health %s\n%s", got, component.Service.Health.Path, app.Files[0].Data)
				}
			default:
				if got := component.Function.Runtime + " " + component.Function.Handler; got != c.handler {
					t.Errorf("function %q, want %q", got, c.handler)
				}
			}
			if !strings.Contains(app.Todo, c.todo) {
				t.Errorf("to do: %q, want %q in it", app.Todo, c.todo)
			}
		})
	}
	if _, err := Folder(folder(nil), "No!"); teal.CodeOf(err) != teal.CodeInvalidInput {
		t.Errorf("a bad name: %v", err)
	}
}

// Seen red with the front end looked for behind the service, and with what renders its
// pages itself taken for files.
func TestFrontEnds(t *testing.T) {
	t.Parallel()
	const page = "<!doctype html>"
	for name, c := range map[string]struct {
		held  map[string]string
		want  string // folder, fallback, 404; "" for none of static
		build string // what the advice makes
	}{
		"vite":           {held: map[string]string{"package.json": `{"scripts":{"dev":"vite","build":"vite build"},"devDependencies":{"vite":"7"}}`, "index.html": page}, want: "dist index.html ", build: "dist/index.html"},
		"vite built":     {held: map[string]string{"package.json": `{"scripts":{"start":"vite preview"},"devDependencies":{"vite":"7"}}`, "dist/index.html": page}, want: "dist index.html "},
		"vite beside":    {held: map[string]string{"package.json": `{"scripts":{"start":"node server.js"},"devDependencies":{"vite":"7"}}`, "server.js": "", "index.html": page}},
		"react-scripts":  {held: map[string]string{"package.json": `{"scripts":{"start":"react-scripts start"},"dependencies":{"react-scripts":"5"}}`}, want: "build index.html ", build: "build/index.html"},
		"angular":        {held: map[string]string{"package.json": `{"scripts":{"start":"ng serve"},"devDependencies":{"@angular/cli":"20"}}`, "dist/shop/browser/index.html": page}, want: "dist/shop/browser index.html "},
		"next export":    {held: map[string]string{"package.json": `{"scripts":{"start":"next start"},"dependencies":{"next":"15"}}`, "next.config.mjs": "export default { output: \"export\" }", "out/index.html": page, "out/404.html": page}, want: "out  404.html"},
		"next":           {held: map[string]string{"package.json": `{"scripts":{"start":"next start"},"dependencies":{"next":"15"}}`, "next.config.mjs": "export default { output: 'standalone' }", "node_modules/.bin/next*": "#!/bin/sh\n"}},
		"svelte kit":     {held: map[string]string{"package.json": `{"scripts":{"start":"node build"},"devDependencies":{"vite":"7","@sveltejs/kit":"2"}}`, "build/index.js": ""}},
		"svelte kit dev": {held: map[string]string{"package.json": `{"scripts":{"dev":"vite dev"},"devDependencies":{"vite":"7","@sveltejs/kit":"2"}}`}},
		"pages":          {held: map[string]string{"index.html": page, "404.html": page}, want: ".  404.html"},
		"built pages":    {held: map[string]string{"package.json": `{"scripts":{"build":"make"}}`, "dist/index.html": page, "index.html": page}, want: "dist  "},
		"python pages":   {held: map[string]string{"index.html": page, "main.py": "app = Flask(__name__)\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, err := Folder(folder(c.held), "shop")
			if err != nil {
				t.Fatal(err)
			}
			if c.build != "" {
				if !strings.Contains(app.Todo, "npm run build") {
					t.Errorf("to do: %q", app.Todo)
				}
				c.held[c.build] = page
			}
			got := ""
			if s := load(t, c.held, app).Spec.Components["web"].Static; s != nil {
				got = load(t, c.held, app).Code["web"] + " " + s.Fallback + " " + s.NotFound
			}
			if got != c.want {
				t.Errorf("%q, want %q\n%s", got, c.want, app.Files[0].Data)
			}
		})
	}
}

func TestUpstreams(t *testing.T) {
	t.Parallel()
	urls := []string{"http://10.0.0.7:9000", "https://legacy.example.com"}
	app, err := Upstreams("legacy", urls)
	if err != nil {
		t.Fatal(err)
	}
	if m := load(t, nil, app); !slices.Equal(m.Spec.Components["pool"].Upstream.URLs, urls) {
		t.Errorf("%+v", m.Spec)
	}
	if _, err := Upstreams("legacy", []string{"10.0.0.7:9000"}); teal.CodeOf(err) != teal.CodeInvalidInput {
		t.Errorf("not an address: %v", err)
	}
}

// Whatever a start command is, the manifest holds it as it is. Seen red with the
// command written without quotes.
func TestEveryCommandIsWrittenAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		command := strings.TrimSpace(rapid.StringMatching(`[ -~é"'\\#:{}\[\],&*!|>%@]{1,40}`).Draw(rt, "command"))
		if command == "" {
			return
		}
		app, err := Folder(folder(map[string]string{"Procfile": "web: " + command + "\n"}), "shop")
		if err != nil {
			rt.Fatal(err)
		}
		m, err := manifest.Parse("teal.yaml", app.Files[0].Data)
		if err != nil {
			rt.Fatalf("%q: %v\n%s", command, err, app.Files[0].Data)
		}
		if got, want := m.Spec.Components["web"].Service.Command, argv(command); !slices.Equal(got, want) {
			rt.Fatalf("%q became %q, want %q", command, got, want)
		}
	})
}
