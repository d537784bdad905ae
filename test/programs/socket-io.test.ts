/** socket.io and its client: polling that becomes a WebSocket, acknowledgements, rooms, and what a partition does to a session. */
import assert from 'node:assert/strict';
import { Server } from 'socket.io';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { event, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

/** A chat room. */
function open({ server, after }: Stage): Server {
  const chat = server.run(() => new Server(80, { pingInterval: 25_000, pingTimeout: 20_000 }));
  chat.on('connection', (socket) => {
    socket.on('join', async (room: string, done: (members: number) => void) => {
      await socket.join(room);
      done(chat.sockets.adapter.rooms.get(room)!.size);
    });
    socket.on('say', (room: string, what: string) => void chat.to(room).emit('said', what));
  });
  after(() => chat.close());
  return chat;
}

function connect({ client, after }: Stage, options: Partial<ManagerOptions & SocketOptions> = {}): Socket {
  const socket = client.run(() => io('http://server/', { forceNew: true, randomizationFactor: 0, ...options }));
  after(() => socket.close());
  return socket;
}

program('socket.io', {
  random: 'session ids are drawn by crypto', calmMs: [110, 130], roughMs: [10 * ROUGH_RTT, 12_000],
}, async (stage) => {
  open(stage);
  const [ann, ben] = [connect(stage), connect(stage)];
  await Promise.all([event(ann, 'connect'), event(ben, 'connect')]);
  // The upgrade may be there before the session is, when a packet was lost.
  if (ann.io.engine.transport.name === 'polling') await event(ann.io.engine, 'upgrade');
  assert.equal(ann.io.engine.transport.name, 'websocket');
  assert.equal(await ann.timeout(5000).emitWithAck('join', 'kitchen'), 1);
  assert.equal(await ben.timeout(5000).emitWithAck('join', 'kitchen'), 2);
  const heard = [event(ann, 'said'), event(ben, 'said')];
  ann.emit('say', 'kitchen', 'tea?');
  assert.deepEqual(await Promise.all(heard), ['tea?', 'tea?']);
});

fault('socket.io: both ends of a partition learn "ping timeout"; what is said meanwhile waits for the reconnect', async (stage) => {
  const chat = open(stage);
  const connection = event<NodeJS.EventEmitter>(chat, 'connection');
  const ann = connect(stage, { transports: ['websocket'], reconnectionDelay: 1000, reconnectionDelayMax: 4000, timeout: 3000 });
  const theirs = await connection;
  await event(ann, 'connect');
  const gone = Promise.all([event<string>(ann, 'disconnect'), event<string>(theirs, 'disconnect')]);
  const began = stage.elapsed();
  stage.world.partition([stage.client], [stage.server]);
  assert.deepEqual(await gone, ['ping timeout', 'ping timeout']);
  within(stage.elapsed() - began, [44_900, 45_100]); // pingInterval and pingTimeout

  const joined = new Promise<number>((resolve) => void ann.emit('join', 'kitchen', resolve)); // buffered by the client
  await stage.sleep(20_000);
  stage.world.heal();
  assert.equal(await joined, 1);
});
