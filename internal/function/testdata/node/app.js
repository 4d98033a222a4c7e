// Handlers for the tests, as CommonJS.
exports.context = async (event, context) => ({
  awsRequestId: context.awsRequestId,
  functionName: context.functionName,
  functionVersion: context.functionVersion,
  invokedFunctionArn: context.invokedFunctionArn,
  memoryLimitInMB: context.memoryLimitInMB,
  remaining: context.getRemainingTimeInMillis(),
  clientContext: context.clientContext,
});
exports.pid = async () => process.pid;
exports.echo = async (event) => event;
exports.callback = (event, context, callback) => { setTimeout(() => callback(null, { from: 'callback' }), 5); };
exports.callbackError = (event, context, callback) => { callback(new RangeError('out of range')); };
exports.waits = (event, context, callback) => {
  const answer = { timer: false };
  setTimeout(() => { answer.timer = true; }, 50);
  callback(null, answer);
};
exports.doesNotWait = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setInterval(() => {}, 1000);
  callback(null, 'at once');
};
exports.succeed = (event, context) => setTimeout(() => context.succeed('succeeded'), 5);
exports.nothing = () => 'ignored';
exports.never = () => new Promise(() => {});
exports.raises = async () => { throw new TypeError('bad type'); };
exports.raisesText = async () => { throw 'just text'; };
exports.circular = async () => { const a = {}; a.a = a; return a; };
exports.uncaught = () => new Promise(() => { setTimeout(() => { throw new Error('from a timer'); }, 5); });
exports.unhandled = () => new Promise(() => { Promise.reject(new Error('rejected')); setTimeout(() => {}, 1000); });
exports.prints = async () => { console.log('printed'); return null; };
exports.exits = async () => process.exit(4);
exports.object = { inner: async () => 'inner' };
exports.value = 42;
exports.act = async (event) => {
  switch (event.do) {
    case 'exit': process.exit(3);
    case 'close': process.stdout.destroy(); break;
    case 'closefd': require('node:fs').closeSync(event.fd); break;
    case 'clear': for (const name of Object.keys(process.env)) delete process.env[name]; break;
    case 'leave': process.chdir('/'); break;
    case 'where': return process.cwd();
    case 'exit when': // nobody waits for what this begins
      (async () => {
        while (!require('node:fs').existsSync(event.file)) await new Promise((done) => setTimeout(done, 5));
        const late = new Error('too late');
        if (event.how === 'exit') process.exit(7);
        if (event.how === 'throw') setTimeout(() => { throw late; });
        else throw late;
      })();
      break;
    case 'touch':
      require('node:fs').writeFileSync(event.file, '');
      await new Promise((done) => setTimeout(done, event.seconds * 1000));
      break;
    case 'mute': throw { get message() { throw new Error('no words'); } };
  }
  return process.pid;
};
