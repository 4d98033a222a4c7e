#!/bin/sh
# One blue-green release of a function, driven by the AWS CLI. The CLI takes a
# second to start, so it asks eight times where the libraries ask 2 000 times.
set -eu
aws() { command aws --endpoint-url "$ENDPOINT" --no-cli-pager --output text lambda "$@" 2>&1; }
export AWS_ACCESS_KEY_ID=teal AWS_SECRET_ACCESS_KEY="$SECRET" AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
command aws --version 2>&1 | grep -q '^aws-cli/1' && aws() { command aws --endpoint-url "$ENDPOINT" --output text lambda "$@" 2>&1; }

name=cli-flow
fail() { echo "$*" >&2; exit 1; }
is() { [ "$1" = "$2" ] || fail "got $1, want $2"; }

aws create-function --function-name $name --runtime python3.12 --role arn:aws:iam::000000000000:role/any \
	--handler app.handler --timeout 60 --zip-file "fileb://$BLUE" >/dev/null
aws wait function-active-v2 --function-name $name
is "$(aws publish-version --function-name $name --query Version)" 1
aws update-function-code --function-name $name --zip-file "fileb://$GREEN" >/dev/null
is "$(aws publish-version --function-name $name --query Version)" 2
aws create-alias --function-name $name --name live --function-version 1 >/dev/null
aws update-alias --function-name $name --name live --routing-config 'AdditionalVersionWeights={2=0.1}' >/dev/null

call() { aws invoke --function-name $name:live --query ExecutedVersion "$OUT" >/dev/null && cat "$OUT"; }
for _ in 1 2 3 4 5 6 7 8; do
	case $(call) in '"blue"' | '"green"') ;; *) fail "answered: $(cat "$OUT")" ;; esac
done

aws update-alias --function-name $name --name live --function-version 2 --routing-config 'AdditionalVersionWeights={}' >/dev/null
is "$(call)" '"green"'
aws update-alias --function-name $name --name live --function-version 1 >/dev/null
is "$(call)" '"blue"'
aws get-function --function-name $name:9 | grep -q ResourceNotFoundException || fail "version 9 was found"
aws delete-function --function-name $name
aws get-function --function-name $name | grep -q 'Function not found' || fail "the function is still there"
echo done
