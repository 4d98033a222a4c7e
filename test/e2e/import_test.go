package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const samTemplate = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: test}
Globals:
  Function: {Runtime: python3, Handler: app.lambda_handler, AutoPublishAlias: live}
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: orders/
      Environment: {Variables: {STAGE: !Ref Stage, TABLE: !Ref Table}}
      DeploymentPreference: {Type: Canary10Percent5Minutes, Hooks: {PreTraffic: !Ref CheckOrders}}
      Events: {All: {Type: HttpApi, Properties: {Path: /orders, Method: get}}}
  CheckOrders:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: checks/, DeploymentPreference: {Enabled: false}}
  Table: {Type: AWS::Serverless::SimpleTable}
`

const ordersHandler = `import os
def lambda_handler(event, context):
    return {"statusCode": 200, "body": "%s " + os.environ["STAGE"] + " " + os.environ["TABLE"] + " " + event["rawPath"]}
`

// A SAM application of two functions is imported, deployed, and released as its
// deployment preference says: the hook is asked, a tenth of the traffic moves, the rest
// when somebody says so. Seen red with the preference's hooks not taken.
func TestASAMApplicationIsImportedAndReleased(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	handler := func(mark string) string { return strings.Replace(ordersHandler, "%s", mark, 1) }
	a := newFiles(t, files{
		"template.yaml": samTemplate, "orders/app.py": handler("one"),
		"checks/app.py": "def lambda_handler(event, context):\n    return {\"hookStatus\": \"SUCCEEDED\"}\n",
	})
	imported := s.ok("import", "sam", filepath.Join(a.dir, "template.yaml"), "--app", "orders")
	for _, text := range []string{"2 functions (Orders, CheckOrders)", "TABLE, which stands for !Ref Table", "template.yaml:18: Resources.Table"} {
		if !strings.Contains(imported.stdout, text) {
			t.Errorf("import does not say %q:\n%s", text, imported.stdout)
		}
	}
	variables := filepath.Join(t.TempDir(), "variables")
	if err := os.WriteFile(variables, []byte("TABLE=orders-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok("deploy", a.dir, "--env-file", variables)
	if code, _, body := s.get("/orders/5"); code != 200 || body != "one test orders-test /orders/5" {
		t.Errorf("%d %s", code, body)
	}

	a.write("orders/app.py", handler("two"))
	deployed := s.background("deploy", a.dir, "--env-file", variables)
	s.awaitStatus("orders", "a tenth of the traffic on the new version", func(st status) bool {
		versions := st.Aliases["live"].Versions
		return len(versions) == 2 && versions[1].Version == 2 && versions[1].Weight == 10
	})
	s.ok("promote", "orders")
	r := <-deployed
	r.expect(t, 0, "v2 is live")
	s.teal("release", "show", "orders-2").expect(t, 0, "hook BeforeAllowTraffic/CheckOrders")
	if code, version, body := s.get("/orders"); code != 200 || version != "2" || !strings.HasPrefix(body, "two ") {
		t.Errorf("%d v%s %s", code, version, body)
	}
}
