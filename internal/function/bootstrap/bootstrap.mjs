// Runs a Node.js handler: the loop between the Lambda Runtime API and the code.
//
// The API is spoken over one plain socket. Its answers always carry a
// Content-Length, which is all the HTTP that this needs.

import { AsyncLocalStorage } from 'node:async_hooks';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const PREFIX = '/2018-06-01/runtime/';
const env = { ...process.env }; // what a handler makes of it is not the next invocation's

// Api is the connection to the Runtime API; one request at a time.
class Api {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.host = address;
    this.at = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true };
    this.connect();
  }

  connect() {
    const socket = net.connect(this.at);
    this.socket = socket;
    this.chunks = [];
    this.size = 0;
    this.wanted = 0; // bytes until a whole answer is here; 0: its head is not
    socket.on('data', (chunk) => this.receive(chunk));
    // The server is gone, and so is the reason to live; or it has let go.
    const lost = () => {
      if (this.withdrawn === socket && current !== undefined) return; // what it works on is answered on another connection
      exit(leaving ? 0 : 1);
    };
    socket.on('error', lost);
    socket.on('close', lost);
  }

  // withdraw asks for no invocation any more. The server either closes the
  // connection, or has sent an invocation already, which is then the last one: none
  // gets lost in between.
  withdraw() {
    this.withdrawn = this.socket;
    this.socket.end();
  }

  request(method, target, body, headers = '') {
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    return this.begin(method, target, `Content-Length: ${length}\r\n${headers}`, body ?? '');
  }

  // begin sends a head and what is there of a body, and resolves to the answer.
  begin(method, target, headers, body = '') {
    if (this.withdrawn === this.socket) this.connect();
    // While the handler runs, only what the handler does keeps the event loop
    // alive; while the API is asked, the answer does.
    this.socket.ref();
    this.socket.write(`${method} ${PREFIX}${target} HTTP/1.1\r\nHost: ${this.host}\r\n${headers}\r\n${body}`);
    return new Promise((resolve) => { this.resolve = resolve; });
  }

  receive(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (this.size < this.wanted) return;
    const data = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    this.chunks = [data];
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = parseHead(data.latin1Slice(0, end));
    this.wanted = end + 4 + Number(head.headers['content-length'] ?? 0);
    if (this.size < this.wanted) return;
    this.chunks = [];
    this.size = this.wanted = 0;
    this.socket.unref();
    this.resolve({ ...head, body: data.subarray(end + 4) });
  }

  async next() {
    const answer = await this.request('GET', 'invocation/next');
    if (answer.status !== 200) {
      console.error(`The Runtime API answered ${answer.status} to next: ${answer.body}`);
      exit(1);
    }
    return answer;
  }

  result(id, body) {
    return this.request('POST', `invocation/${id}/response`, body, 'Content-Type: application/json\r\n');
  }

  error(target, document) {
    const type = String(document.errorType).replace(/[^ -~]/g, '?');
    return this.request('POST', target, JSON.stringify(document), `Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ${type}\r\n`);
  }
}

// ResponseStream is what a streaming handler writes its answer to. The answer
// begins with the first byte, so that a handler that fails before has an error of
// the usual sort.
class ResponseStream extends Writable {
  constructor(api, id) {
    super({ highWaterMark: 64 * 1024, decodeStrings: true });
    this.api = api;
    this.id = id;
    this.contentType = undefined;
    this.before = undefined; // what goes before the first byte
    this.answered = undefined; // resolves when the answer has been taken
  }

  setContentType(type) { this.contentType = type; }

  write(chunk, encoding, callback) {
    const plain = chunk !== null && typeof chunk === 'object' && !ArrayBuffer.isView(chunk);
    return super.write(plain ? JSON.stringify(chunk) : chunk, encoding, callback);
  }

  begin() {
    if (this.answered !== undefined) return;
    const type = String(this.contentType ?? 'application/octet-stream').replace(/[^ -~]/g, '?');
    this.answered = this.api.begin('POST', `invocation/${this.id}/response`,
      `Content-Type: ${type}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n`
      + 'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n');
    this.api.socket.unref(); // the handler still runs
    if (this.before !== undefined) this.chunk(this.before);
  }

  chunk(data, callback) {
    const { socket } = this.api;
    socket.cork();
    socket.write(`${data.length.toString(16)}\r\n`);
    socket.write(data);
    socket.write('\r\n', callback);
    process.nextTick(() => socket.uncork());
  }

  _write(data, encoding, callback) {
    this.begin();
    if (data.length === 0) callback();
    else this.chunk(data, callback);
  }

  _final(callback) {
    this.begin();
    this.api.socket.ref();
    this.api.socket.write('0\r\n\r\n', callback);
  }

  // fail ends an answer that has begun with what went wrong.
  fail(document) {
    const type = String(document.errorType).replace(/[^ -~]/g, '?').slice(0, 200);
    const encode = (content) => Buffer.from(JSON.stringify(content)).toString('base64');
    let body = encode(document);
    if (body.length > 8000) body = encode({ errorType: type, errorMessage: document.errorMessage.slice(0, 1000), trace: [] }); // a trailer is small
    this.api.socket.ref();
    this.api.socket.write(`0\r\nLambda-Runtime-Function-Error-Type: ${type}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`);
    return this.answered;
  }
}

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming'); // AWS's libraries look at it

globalThis.awslambda = {
  ...globalThis.awslambda,
  streamifyResponse(handler) {
    handler[STREAMING] = true;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.before = Buffer.concat([Buffer.from(JSON.stringify(prelude)), Buffer.alloc(8)]);
      return stream;
    },
  },
};

function parseHead(text) {
  const [first, ...lines] = text.split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(first.split(' ')[1]), headers };
}

class RuntimeError extends Error {
  constructor(type, message, stack) {
    super(message);
    this.name = type;
    this.stack = stack ?? `${type}: ${message}`;
  }
}

// toDocument writes whatever was thrown in AWS's form.
function toDocument(thrown) {
  if (!(thrown instanceof Error) && !(thrown !== null && typeof thrown === 'object' && 'message' in thrown)) {
    return { errorType: thrown === null ? 'object' : typeof thrown, errorMessage: String(thrown), trace: [] };
  }
  try {
    return { errorType: String(thrown.name ?? 'Error'), errorMessage: String(thrown.message), trace: String(thrown.stack ?? '').split('\n') };
  } catch {
    return { errorType: 'Error', errorMessage: 'what was thrown cannot be written as text', trace: [] };
  }
}

function report(document) {
  process.stderr.write(`${document.trace.length > 0 ? document.trace.join('\n') : `${document.errorType}: ${document.errorMessage}`}\n`);
}

// moduleFile returns the file that a handler's module names.
function moduleFile(root, name) {
  const base = path.resolve(root, name);
  for (const extension of ['.js', '.mjs', '.cjs', '/index.js', '/index.mjs', '/index.cjs']) {
    if (fs.existsSync(base + extension)) return base + extension;
  }
  throw new RuntimeError('Runtime.ImportModuleError', `Error: Cannot find module '${name}'`);
}

async function importModule(root, name) {
  const file = moduleFile(root, name);
  try {
    return await import(pathToFileURL(file).href);
  } catch (e) {
    if (e instanceof SyntaxError) throw new RuntimeError('Runtime.UserCodeSyntaxError', `SyntaxError: ${e.message}`, e.stack);
    if (e?.code === 'MODULE_NOT_FOUND' || e?.code === 'ERR_MODULE_NOT_FOUND') throw new RuntimeError('Runtime.ImportModuleError', `Error: ${e.message}`, e.stack);
    throw e;
  }
}

// load resolves dir/file.name or dir/file.object.name.
async function load(root, handler) {
  const parts = /^(.*?)([^/.]+)\.(.+)$/.exec(handler);
  if (parts === null || handler.includes('..')) {
    throw new RuntimeError('Runtime.MalformedHandlerName', `Bad handler '${handler}'`);
  }
  const namespace = await importModule(root, parts[1] + parts[2]);
  for (const exports of [namespace, namespace.default]) {
    let at = exports;
    let owner;
    for (const key of parts[3].split('.')) {
      owner = at;
      at = at?.[key];
    }
    if (typeof at === 'function') {
      return owner === namespace ? at : Object.assign(at.bind(owner), { [STREAMING]: at[STREAMING] });
    }
    if (at !== undefined) throw new RuntimeError('Runtime.HandlerNotFound', `${handler} is not a function`);
  }
  throw new RuntimeError('Runtime.HandlerNotFound', `${handler} is undefined or not exported`);
}

// makeContext returns the second argument of a handler.
function makeContext(headers, finish) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const clientContext = headers['lambda-runtime-client-context'];
  const identity = headers['lambda-runtime-cognito-identity'];
  return {
    callbackWaitsForEmptyEventLoop: true,
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: clientContext ? JSON.parse(clientContext) : undefined,
    identity: identity ? JSON.parse(identity) : undefined,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    done: (error, value) => finish({ error, value }),
    fail: (error) => finish({ error: error ?? new Error('handled') }),
    succeed: (value) => finish({ value }),
  };
}

// emptyLoop is called when nothing is left to wait for while a handler runs.
let emptyLoop = () => {};
process.on('beforeExit', () => emptyLoop());

// call runs the handler once and resolves to {value} or {error}.
function call(handler, event, headers) {
  return new Promise((resolve) => {
    let called; // what the callback was given, while the loop is not empty
    let context;
    try {
      context = makeContext(headers, resolve);
    } catch (e) {
      resolve({ error: new RuntimeError('Runtime.LambdaContextUnmarshalError', `Unable to parse client context: ${e.message}`) });
      return;
    }
    const callback = (error, value) => {
      called ??= { error, value };
      // Lambda waits for the event loop only after the handler has returned, so
      // that the handler can still change its mind.
      setImmediate(() => { if (!context.callbackWaitsForEmptyEventLoop) resolve(called); });
    };
    let returned;
    emptyLoop = () => resolve(called ?? (isPromise(returned)
      ? { error: new RuntimeError('Runtime.NodeJsExit', "The handler's promise was never settled and nothing is left to wait for") }
      : { value: null }));
    try {
      returned = handler(event, context, callback);
    } catch (error) {
      resolve({ error: error ?? new Error(String(error)) });
      return;
    }
    if (isPromise(returned)) returned.then((value) => resolve({ value }), (error) => resolve({ error: error ?? new Error(String(error)) }));
    // What is not a promise is no answer, as in Lambda: the callback is.
  });
}

// callStreaming runs a streaming handler once, and resolves when its answer has
// been written, or to {error}.
function callStreaming(handler, event, headers, stream) {
  return new Promise((resolve) => {
    const fail = (error) => resolve({ error: error ?? new Error(String(error)) });
    stream.on('error', fail);
    stream.on('finish', () => resolve({}));
    let returned = false;
    emptyLoop = () => fail(new RuntimeError('Runtime.NodeJsExit', returned
      ? 'The handler has returned without ending its response stream and nothing is left to wait for'
      : "The handler's promise was never settled and nothing is left to wait for"));
    Promise.resolve()
      .then(() => handler(event, stream, makeContext(headers, ({ error }) => { if (error) fail(error); else stream.end(); })))
      .then(() => { returned = true; }, fail);
  });
}

function isPromise(value) { return typeof value?.then === 'function'; }

function encode(value) {
  try {
    return JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch (e) {
    throw new RuntimeError('Runtime.MarshalError', `Unable to stringify response body: ${e.message}`);
  }
}

async function handleOne(handler, { headers, body }) {
  let event;
  try {
    event = JSON.parse(body.toString());
  } catch (e) {
    return { error: new RuntimeError('Runtime.UnmarshalError', `Unable to parse the event: ${e.message}`) };
  }
  if (handler[STREAMING]) {
    streaming = new ResponseStream(api, headers['lambda-runtime-aws-request-id']);
    return callStreaming(handler, event, headers, streaming);
  }
  const outcome = await call(handler, event, headers);
  if (outcome.error !== undefined && outcome.error !== null) return outcome;
  try {
    return { body: encode(outcome.value) };
  } catch (error) {
    return { error };
  }
}

// fail says that an invocation has failed; on the answer's own way when it has
// begun.
function fail(id, document) {
  if (streaming?.answered === undefined) return api.error(`invocation/${id}/error`, document);
  streaming.destroy();
  return streaming.fail(document);
}

// usable says whether the next invocation can run in this process, whatever the
// last one has done to it; a new instance can if not.
function usable() {
  if (leaving) return false;
  try {
    [0, 1, 2].forEach((fd) => fs.fstatSync(fd));
    process.chdir(directory);
    return !process.stdout.destroyed && !process.stderr.destroyed && !process.stdout.writableEnded && !process.stderr.writableEnded;
  } catch {
    return false;
  }
}

async function serve(api, handler) {
  directory = process.cwd();
  while (usable()) {
    waiting = true;
    const invocation = await api.next();
    waiting = false;
    const id = invocation.headers['lambda-runtime-aws-request-id'];
    if (invocation.headers['lambda-runtime-trace-id']) process.env._X_AMZN_TRACE_ID = invocation.headers['lambda-runtime-trace-id'];
    current = id;
    const outcome = await requests.run(id, () => handleOne(handler, invocation));
    emptyLoop = () => {};
    if (outcome.error === undefined) {
      await (streaming?.answered ?? api.result(id, outcome.body));
    } else {
      const document = toDocument(outcome.error);
      report(document);
      await fail(id, document);
    }
    current = undefined;
    streaming = undefined;
  }
  exit(0);
}

// current is the request that the handler works on. What is thrown outside of
// the handler's promise fails that request, and ends the process, whose state
// nobody knows any more.
let current;
// requests says of everything that runs on account of a handler, also long after its
// answer, which request it was begun for.
const requests = new AsyncLocalStorage();
let leaving = false; // the process ends when the request of now has been answered
let waiting = false; // for the next request
let directory; // the working directory, as the code's start has left it
let streaming; // its ResponseStream, of a streaming handler
let loading = true;

// isLeftBehind says whether what runs was begun for an earlier request.
function isLeftBehind() {
  const owner = requests.getStore();
  return owner !== undefined && owner !== current;
}

// leave ends the process when nobody's answer fails with it.
function leave() {
  leaving = true;
  if (waiting) api.withdraw();
}

// process.exit does not fail another request than the one it is called for.
const exit = process.exit.bind(process);
const EXITING = new Error('the process is about to end');
process.exit = (code) => {
  if (!isLeftBehind()) exit(code);
  leave();
  throw EXITING; // it does not return
};

function fatal(type, error) {
  if (error === EXITING) return;
  const inner = toDocument(error);
  const document = type === undefined ? inner : { ...inner, errorType: type, errorMessage: `${inner.errorType}: ${inner.errorMessage}` };
  report(document);
  if (!loading && (current === undefined || isLeftBehind())) {
    leave();
    return;
  }
  (loading ? api.error('init/error', document) : fail(current, document)).finally(() => exit(1));
}
process.on('uncaughtException', (error) => fatal(undefined, error));
process.on('unhandledRejection', (reason) => fatal('Runtime.UnhandledPromiseRejection', reason));

const api = new Api(env.AWS_LAMBDA_RUNTIME_API);
try {
  const handler = await load(env.LAMBDA_TASK_ROOT, env._HANDLER);
  loading = false;
  await serve(api, handler);
} catch (error) {
  fatal(undefined, error);
}
