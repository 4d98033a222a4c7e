#!/bin/sh
# A function and its layers, driven by the AWS CLI.
set -eu
aws() { command aws --endpoint-url "$ENDPOINT" --no-cli-pager --output text lambda "$@" 2>&1; }
export AWS_ACCESS_KEY_ID=teal AWS_SECRET_ACCESS_KEY="$SECRET" AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
command aws --version 2>&1 | grep -q '^aws-cli/1' && aws() { command aws --endpoint-url "$ENDPOINT" --output text lambda "$@" 2>&1; }

name=cli-layers
fail() { echo "$*" >&2; exit 1; }
is() { [ "$1" = "$2" ] || fail "got $1, want $2"; }
call() { aws invoke --function-name "$name:$1" "$OUT" >/dev/null && cat "$OUT"; }

one=$(aws publish-layer-version --layer-name cli-said --zip-file "fileb://$LAYER" --compatible-runtimes python3.12 --query LayerVersionArn)
is "$(aws get-layer-version-by-arn --arn "$one" --query Version)" 1
aws create-function --function-name $name --runtime python3.12 --role arn:aws:iam::000000000000:role/any \
	--handler app.handler --timeout 60 --zip-file "fileb://$CODE" --layers "$one" --publish >/dev/null
is "$(call 1)" '"from the layer"'
aws add-layer-version-permission --layer-name cli-said --version-number 1 --statement-id all \
	--action lambda:GetLayerVersion --principal '*' >/dev/null
aws get-layer-version-policy --layer-name cli-said --version-number 1 --query Policy | grep -q '"Sid":"all"' || fail "no policy"
aws delete-layer-version --layer-name cli-said --version-number 1
aws get-layer-version --layer-name cli-said --version-number 1 | grep -q ResourceNotFoundException || fail "the layer is still there"
aws update-function-configuration --function-name $name --layers "$one" | grep -q 'does not exist' || fail "a deleted layer was taken"
is "$(call '$LATEST')" '"from the layer"'
echo done
