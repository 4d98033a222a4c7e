// One blue-green release of a function, driven by @aws-sdk/client-lambda.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import {
  LambdaClient, CreateFunctionCommand, PublishVersionCommand, UpdateFunctionCodeCommand, CreateAliasCommand, UpdateAliasCommand,
  InvokeCommand, InvokeWithResponseStreamCommand, DeleteFunctionCommand, GetFunctionCommand, waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';

const client = new LambdaClient({
  endpoint: process.env.ENDPOINT, region: 'us-east-1', maxAttempts: 1,
  credentials: { accessKeyId: 'teal', secretAccessKey: process.env.SECRET },
});
const FunctionName = 'node-flow';
const send = (Command, input) => client.send(new Command({ FunctionName, ...input }));

async function call(Qualifier) {
  const out = await send(InvokeCommand, { Qualifier, Payload: '{}' });
  assert.equal(out.FunctionError, undefined);
  return [JSON.parse(Buffer.from(out.Payload).toString()), out.ExecutedVersion];
}

await send(CreateFunctionCommand, {
  Runtime: 'python3.12', Role: 'arn:aws:iam::000000000000:role/any', Handler: 'app.handler', Timeout: 60, Code: { ZipFile: readFileSync(process.env.BLUE) },
});
await waitUntilFunctionActiveV2({ client, maxWaitTime: 120 }, { FunctionName });
assert.equal((await send(PublishVersionCommand)).Version, '1');
await send(UpdateFunctionCodeCommand, { ZipFile: readFileSync(process.env.GREEN) });
assert.equal((await send(PublishVersionCommand)).Version, '2');
await send(CreateAliasCommand, { Name: 'live', FunctionVersion: '1' });
await send(UpdateAliasCommand, { Name: 'live', RoutingConfig: { AdditionalVersionWeights: { 2: 0.1 } } });

const count = { blue: 0, green: 0 };
for (let round = 0; round < 500; round++) {
  for (const [answer] of await Promise.all([1, 2, 3, 4].map(() => call('live')))) count[answer]++;
}
assert.equal(count.blue + count.green, 2000);
assert.ok(count.green >= 120 && count.green <= 280, JSON.stringify(count)); // see flow.py

await send(UpdateAliasCommand, { Name: 'live', FunctionVersion: '2', RoutingConfig: { AdditionalVersionWeights: {} } });
assert.deepEqual(await call('live'), ['green', '2']);
await send(UpdateAliasCommand, { Name: 'live', FunctionVersion: '1' });
assert.deepEqual(await call('live'), ['blue', '1']);

let [answer, complete] = ['', undefined];
const streamed = await send(InvokeWithResponseStreamCommand, { Qualifier: 'live', Payload: '{}' });
for await (const event of streamed.EventStream) {
  if (event.PayloadChunk) answer += Buffer.from(event.PayloadChunk.Payload).toString();
  else complete = event.InvokeComplete;
}
assert.equal(answer, '"blue"');
assert.equal(complete.ErrorCode, undefined);
assert.equal(streamed.ExecutedVersion, '1');
await send(DeleteFunctionCommand);
await assert.rejects(send(GetFunctionCommand), { name: 'ResourceNotFoundException' });
console.log(JSON.stringify(count));
