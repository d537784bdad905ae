/** ws: text, binary, compression, and the heartbeat that its documentation recommends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { event, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

/** A server that says everything back. */
function open({ server, after }: Stage): WebSocketServer {
  const echo = server.run(() => new WebSocketServer({ port: 80, perMessageDeflate: false }));
  echo.on('connection', (socket) => void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
  after(() => echo.close());
  return echo;
}

async function connect({ client }: Stage): Promise<WebSocket> {
  const socket = client.run(() => new WebSocket('ws://server/', { perMessageDeflate: false }));
  await once(socket, 'open');
  return socket;
}

program('ws', {
  random: 'Sec-WebSocket-Key and the masks of frames are drawn by crypto', calmMs: [18, 24], roughMs: [6 * ROUGH_RTT, 8000],
}, async (stage) => {
  open(stage);
  const socket = await connect(stage);
  socket.send('a cup');
  assert.equal(String(await event<Buffer>(socket, 'message')), 'a cup');
  const long = Buffer.alloc(100_000, 'long');
  socket.send(long);
  assert.ok((await event<Buffer>(socket, 'message')).equals(long));
  socket.close(1000, 'done');
  const [code, reason] = await once(socket, 'close') as [number, Buffer];
  assert.deepEqual([code, String(reason)], [1000, 'done']);
});

fault('ws: a peer behind a partition is found by ping and pong: 1006 for the one who gives up, later for the other', async (stage) => {
  const echo = open(stage);
  const connection = event<WebSocket>(echo, 'connection');
  const socket = await connect(stage);
  const mine = await connection;
  let alive = true;
  mine.on('pong', () => void (alive = true));
  const heartbeat = setInterval(() => {
    if (!alive) return mine.terminate();
    alive = false;
    mine.ping();
  }, 30_000);
  stage.after(() => clearInterval(heartbeat));

  await stage.sleep(100_000);
  assert.equal(mine.readyState, WebSocket.OPEN, 'three pings were answered');
  stage.world.partition([stage.client], [stage.server]);
  const [code] = await once(mine, 'close') as [number];
  assert.equal(code, 1006);
  within(stage.elapsed(), [150_000, 150_010]);

  // The client has heard nothing: to it the connection is open, until it says something.
  stage.world.heal();
  assert.equal(socket.readyState, WebSocket.OPEN);
  socket.on('error', (error: NodeJS.ErrnoException) => assert.equal(error.code, 'ECONNRESET'));
  socket.send('are you there?');
  assert.equal((await once(socket, 'close'))[0], 1006);
});
