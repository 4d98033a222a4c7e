// Streaming handlers for the tests.
import { setTimeout as sleep } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';

async function pieces(event, stream) {
  for (let n = 0; n < (event.pieces ?? 0); n++) {
    stream.write(`piece ${n}\n`);
    await sleep(event.milli ?? 0);
  }
}

export const plain = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain');
  await pieces(event, stream);
  if (event.end === 'error') throw new RangeError('went wrong on the way');
  if (event.end === 'long') throw new RangeError('ä'.repeat(100000));
  if (event.end === 'uncaught') { setTimeout(() => { throw new Error('from a timer'); }, 5); await sleep(1000); }
  if (event.end === 'exit') process.exit(9);
  if (event.end === 'return') return;
  stream.end();
});

export const http = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'Content-Type': 'text/plain', 'X-Streamed': 'yes' }, cookies: ['a=1'] });
  await pieces(event, stream);
  stream.end();
});

export const large = awslambda.streamifyResponse(async (event, stream) => {
  await pipeline(Readable.from((function* () { for (let n = 0; n < event.bytes; n += 65536) yield Buffer.alloc(65536, 'x'); })()), stream);
});
