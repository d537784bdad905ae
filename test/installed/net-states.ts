/** `net`: every method in every state of a socket and of a server, with right and wrong arguments. */
import { HELP } from './help.ts';

/** The states of a socket, as functions that bring a new one there. */
const STATES = `
const servers = new Set();
async function server(options, port) {
  const s = net.createServer(options || {});
  s.on('connection', (c) => { s.peer = c; c.on('error', () => {}); c.resume(); });
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
  servers.add(s);
  return s;
}
const states = {
  async fresh() { return new net.Socket(); },
  async connecting() { const s = await server(); return net.connect(s.address().port, '127.0.0.1'); },
  async connected() { const s = await server(); const c = net.connect(s.address().port, '127.0.0.1');
  await Promise.all([once(c, 'connect'), once(s, 'connection')]); return c; },
  async ended() { const s = await server({ allowHalfOpen: true });
  const c = net.connect({ port: s.address().port, host: '127.0.0.1', allowHalfOpen: true });
    await once(c, 'connect'); c.end(); await once(c, 'finish'); return c; },
  async peerEnded() { const s = await server({ allowHalfOpen: true });
  const c = net.connect({ port: s.address().port, host: '127.0.0.1', allowHalfOpen: true });
    await Promise.all([once(c, 'connect'), once(s, 'connection')]); s.peer.end(); c.resume(); await once(c, 'end'); return c; },
  async destroyed() { const s = await server(); const c = net.connect(s.address().port, '127.0.0.1'); await once(c, 'connect');
  c.destroy(); return c; },
  async closed() { const s = await server(); const c = net.connect(s.address().port, '127.0.0.1'); await once(c, 'connect');
  c.destroy(); await once(c, 'close'); return c; },
  async refused() { const c = net.connect(1, '127.0.0.1'); await new Promise((r) => c.on('error', () => {}).on('close', r)); return c;
  },
};
async function done(c) { c.destroy(); for (const s of servers) { if (s.peer) s.peer.destroy(); s.close(); } servers.clear();
await later(1); }
`;

/** A program that does `body(c, state)` to a new socket in each state. */
function inEachState(body: string): string {
  return `${HELP}${STATES}
(async () => {
  for (const state of Object.keys(states)) {
    let c = await states[state]();
    c.on('error', (e) => say(state, 'error', e));
    ${body}
    await done(c);
  }
})();`;
}

const CALLS = `
const calls = {
  'address()': (c) => c.address(),
  'pause()': (c) => c.pause(), 'resume()': (c) => c.resume(), 'isPaused()': (c) => c.isPaused(),
  'ref()': (c) => c.ref(), 'unref()': (c) => c.unref(),
  'setEncoding(utf8)': (c) => c.setEncoding('utf8'), 'setEncoding(x)': (c) => c.setEncoding('x'),
  'setKeepAlive()': (c) => c.setKeepAlive(), 'setKeepAlive(true, 1000)': (c) => c.setKeepAlive(true, 1000),
    'setKeepAlive(0)': (c) => c.setKeepAlive(0),
  'setNoDelay()': (c) => c.setNoDelay(), 'setNoDelay(false)': (c) => c.setNoDelay(false), 'setNoDelay("x")': (c) => c.setNoDelay('x'),
  'setTimeout(0)': (c) => c.setTimeout(0), 'setTimeout(100, f)': (c) => c.setTimeout(100, () => {}).setTimeout(0),
  'setTimeout(-1)': (c) => c.setTimeout(-1), 'setTimeout("x")': (c) => c.setTimeout('x'),
    'setTimeout(Infinity)': (c) => c.setTimeout(Infinity),
  'setTimeout(1, 1)': (c) => c.setTimeout(1, 1), 'setTimeout(2**32)': (c) => c.setTimeout(2 ** 32).setTimeout(0),
  'cork()': (c) => c.cork(), 'uncork()': (c) => c.uncork(),
  'getters': (c) => ['bytesRead', 'bytesWritten', 'connecting', 'destroyed', 'localAddress', 'localFamily', 'pending', 'readyState',
    'remoteAddress', 'remoteFamily', 'timeout', 'readable', 'writable', 'readableEnded', 'writableEnded', 'writableFinished',
      'allowHalfOpen',
    'writableLength', 'readableLength', 'writableHighWaterMark', 'bufferSize', 'closed', 'errored', 'readableFlowing',
      'readableAborted',
    'writableNeedDrain', '_bytesDispatched', '_hadError', '_parent', '_host', 'server', '_server',
      '_connecting'].map((k) => k + '=' + text(c[k])).join(' '),
  'ports': (c) => [typeof c.localPort, typeof c.remotePort],
  'write(5)': (c) => c.write(5), 'write(null)': (c) => c.write(null), 'write({})': (c) => c.write({}), 'write()': (c) => c.write(),
  'write(x, nope)': (c) => c.write('x', 'nope'),
  'connect()': (c) => c.connect(), 'connect({})': (c) => c.connect({}), 'connect(70000)': (c) => c.connect(70000),
    'connect({port: "a"})': (c) => c.connect({ port: 'a' }),
  'connect({ port, localAddress: x })': (c) => c.connect({ port: 1, localAddress: 'x' }),
  'connect({ port, localPort: x })': (c) => c.connect({ port: 1, localPort: 'x' }),
  'connect({ port, family: 9 })': (c) => c.connect({ port: 1, family: 9, host: 'localhost' }),
  'connect({ port, hints })': (c) => c.connect({ port: 1, hints: -1, host: 'localhost' }),
  'connect({ port, lookup })': (c) => c.connect({ port: 1, lookup: 'x', host: 'localhost' }),
  'connect({ port, host: 5 })': (c) => c.connect({ port: 1, host: 5 }),
  'connect({ path: 5 })': (c) => c.connect({ path: 5 }),
  'connect({ autoSelectFamily: 5 })': (c) => c.connect({ port: 1, autoSelectFamily: 5 }),
  'connect({ autoSelectFamilyAttemptTimeout: -1 })': (c) => c.connect({ port: 1, autoSelectFamilyAttemptTimeout: -1 }),
};
`;

export const NET_STATES: Readonly<Record<string, string>> = {
  'calls and getters of a socket in every state': inEachState(`${CALLS}
    for (const [name, f] of Object.entries(calls)) if (!name.startsWith('connect')) attempt(state + ' ' + name, () => f(c), c);
    await later(2);`),
  'arguments of connect in some states': `${HELP}${STATES}${CALLS}
    (async () => {
      for (const state of ['fresh', 'connecting', 'connected', 'closed']) {
        for (const [name, f] of Object.entries(calls)) {
          if (!name.startsWith('connect')) continue;
          const c = await states[state]();
          c.on('error', (e) => say(state, name, 'error', e));
          attempt(state + ' ' + name, () => f(c), c);
          await done(c);
        }
      }
    })();`,
  'write in every state, and its callback': inEachState(`
    c.on('close', (had) => say(state, 'close', had)).on('finish', () => say(state, 'finish'));
    attempt(state + ' write', () => c.write('x', (e) => say(state, 'callback', e)), c);
    attempt(state + ' write hex', () => c.write('6162', 'hex', (e) => say(state, 'callback hex', e)), c);
    attempt(state + ' write buffer', () => c.write(new Uint8Array(3), (e) => say(state, 'callback buffer', e)), c);
    say(state, c.bytesWritten, c.writableLength);
    await later(5);
    say(state, c.bytesWritten, c.writableLength, c.readyState, c.pending);`),
  'end in every state, with every form': inEachState(`
    c.on('close', (had) => say(state, 'close', had)).on('finish', () => say(state, 'finish')).on('end', () => say(state, 'end'));
    attempt(state + ' end(x, cb)', () => c.end('x', (e) => say(state, 'callback', e)), c);
    attempt(state + ' end(cb)', () => c.end((e) => say(state, 'second callback', e)), c);
    attempt(state + ' end()', () => c.end(), c);
    await later(5);
    say(state, c.readyState, c.writable, c.readable, c.destroyed, c.writableFinished);`),
  'destroy in every state, with and without an error': inEachState(`
    c.on('close', (had) => say(state, 'close', had));
    attempt(state + ' destroy(e)', () => c.destroy(new Error('mine')), c);
    attempt(state + ' destroy()', () => c.destroy(), c);
    say(state, c.destroyed, c.connecting, c.readyState, c.pending);
    await later(5);
    say(state, c.closed, text(c.errored));`),
  'resetAndDestroy in every state': inEachState(`
    c.on('close', (had) => say(state, 'close', had));
    attempt(state + ' resetAndDestroy', () => c.resetAndDestroy(), c);
    attempt(state + ' again', () => c.resetAndDestroy(), c);
    await later(5);
    say(state, c.destroyed, c.readyState);`),
  'destroySoon in every state': inEachState(`
    c.on('close', (had) => say(state, 'close', had)).on('finish', () => say(state, 'finish'));
    if (state === 'connected') c.write(Buffer.alloc(1000));
    attempt(state + ' destroySoon', () => c.destroySoon());
    await later(5);
    say(state, c.destroyed, c.writable, c.bytesWritten);`),
  'connect anew in every state': inEachState(`
    const s = await server();
    for (const name of ['connect', 'ready', 'close', 'end']) c.on(name, (x) => say(state, name, x));
    attempt(state + ' connect', () => c.connect(s.address().port, '127.0.0.1', () => say(state, 'callback',
      c.remotePort === s.address().port)), c);
    say(state, c.connecting, c.readyState, c.destroyed);
    await later(8);
    say(state, c.connecting, c.readyState, c.destroyed, c.bytesRead, c.bytesWritten);
    s.close();`),
  'the timeout of a socket in every state': inEachState(`
    c.on('timeout', () => say(state, 'timeout', c.timeout));
    c.setTimeout(3);
    await later(12);
    c.setTimeout(0);`),
  'methods of a server in every state': `${HELP}
    const states = {
      async fresh() { return net.createServer(); },
      async listening() { const s = net.createServer().listen(0, '127.0.0.1'); await once(s, 'listening'); return s; },
      async opening() { return net.createServer().listen(0, '127.0.0.1'); },
      async closing() { const s = net.createServer().listen(0, '127.0.0.1'); await once(s, 'listening');
        s.held = net.connect(s.address().port, '127.0.0.1'); await once(s, 'connection'); s.close(); return s; },
      async closed() { const s = net.createServer().listen(0, '127.0.0.1'); await once(s, 'listening'); s.close();
      await once(s, 'close'); return s; },
      async failed() { const s = net.createServer().on('error', () => {}).listen(0, '192.0.2.1');
      await once(s, 'error').catch(() => {}); return s; },
    };
    (async () => {
      for (const state of Object.keys(states)) {
        const s = await states[state]();
        s.on('error', (e) => say(state, 'error', e)).on('close', () => say(state, 'close')).on('listening', () => say(state,
          'listening'));
        attempt(state + ' address', () => { const a = s.address(); return a && [a.address, a.family, typeof a.port]; });
        attempt(state + ' getConnections', () => s.getConnections((e, n) => say(state, 'connections', e, n)), s);
        attempt(state + ' ref', () => s.ref(), s);
        attempt(state + ' unref', () => s.unref(), s);
        s.ref();
        say(state, s.listening, s.maxConnections, s.connections, s._connections, s.allowHalfOpen, s.pauseOnConnect, s.noDelay,
          s.keepAlive, s.highWaterMark,
          s._handle === null, s._connectionKey, s._usingWorkers, s._workers, s._unref, s.dropMaxConnection);
        attempt(state + ' listen', () => s.listen(0, '127.0.0.1'), s);
        await later(3);
        attempt(state + ' close', () => s.close((e) => say(state, 'closed', e)), s);
        attempt(state + ' close again', () => s.close((e) => say(state, 'closed again', e)), s);
        if (s.held) s.held.destroy();
        await later(5);
        say(state, s.listening, s.address());
      }
    })();`,
  'arguments of listen': `${HELP}
    const forms = {
      'undefined': [undefined], 'null': [null], '0': [0], 'string 0': ['0'], 'negative': [-1], 'too large': [65536], 'fraction': [1.5],
        'NaN': [NaN],
      'true': [true], 'a bigint': [0n], 'a symbol': [Symbol('x')], 'an empty string': [''], '{}': [{}], '[]': [[]],
        'port: undefined': [{ port: undefined }],
      'port: null': [{ port: null }], 'port: -1': [{ port: -1 }], 'port: 1e5': [{ port: 1e5 }], 'port: "x"': [{ port: 'x' }],
        'port: false': [{ port: false }],
      'host without a port': [{ host: '127.0.0.1' }], 'host: 5': [{ port: 0, host: 5 }], 'host: ""': [{ port: 0, host: '' }],
        'path: 0': [{ path: 0 }],
      'path: ""': [{ path: '' }], 'fd: -1': [{ fd: -1 }], 'fd: "x"': [{ fd: 'x' }], 'fd: {}': [{ fd: {} }], 'a callback alone': ['CB'],
        'port and callback': [0, 'CB'],
      'port, host': [0, '127.0.0.1'], 'port, host, backlog': [0, '127.0.0.1', 5], 'port, backlog': [0, 5],
        'port, backlog, callback': [0, 5, 'CB'],
      'port, null, callback': [0, null, 'CB'], 'port, undefined, backlog': [0, undefined, 5, 'CB'], 'ipv6Only': [{ port: 0, host: '::',
        ipv6Only: true }],
      'exclusive': [{ port: 0, exclusive: true }], 'backlog: "x"': [{ port: 0, backlog: 'x' }], 'signal: 5': [{ port: 0, signal: 5 }],
      'signal: {}': [{ port: 0, signal: {} }], 'a name': [0, 'localhost', 'CB'], '::1': [0, '::1'], '0.0.0.0': [0, '0.0.0.0'],
        'not our address': [0, '192.0.2.5'], 'reusePort': [{ port: 0, host: '127.0.0.1',
        reusePort: true }],
      'a server': ['SERVER'], 'a listening server': ['LISTENING'], 'a handle of a server': ['HANDLE'], '_handle: {}': [{ _handle: {} }],
    };
    (async () => {
      const other = net.createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      for (const [name, form] of Object.entries(forms)) {
        const s = net.createServer();
        const args = form.map((a) => a === 'CB' ? function () { say(name, 'callback', this === s, arguments.length);
        } : a === 'SERVER' ? net.createServer()
          : a === 'LISTENING' ? other : a === 'HANDLE' ? { _handle: other._handle } : a);
        if (name === 'a handle of a server' || name === 'a listening server') continue;
        s.on('error', (e) => say(name, 'error', e));
        s.on('listening', () => { const a = s.address(); say(name, 'listening', typeof a === 'object' ? [a.address, a.family] : a); });
        attempt(name, () => s.listen(...args), s);
        await later(3);
        say(name, s.listening);
        s.close();
      }
      other.close();
    })();`,
  'options of createServer': `${HELP}
    const options = [undefined, null, {}, 5, 'x', true, [], () => {}, { allowHalfOpen: 5 }, { pauseOnConnect: 1 }, { noDelay: 'x' }, {
      keepAlive: 1 },
      { keepAliveInitialDelay: -1 }, { keepAliveInitialDelay: 'x' }, { keepAlive: true, keepAliveInitialDelay: 1500.7 }, {
        highWaterMark: 5 },
      { highWaterMark: -1 }, { highWaterMark: 'x' }, { highWaterMark: 1.5 }, { blockList: {} }, { blockList: new net.BlockList() }, {
        connectionListener: 5 }];
    for (const o of options) {
      attempt(text(o), () => { const s = net.createServer(o);
        return [s.allowHalfOpen, s.pauseOnConnect, s.noDelay, s.keepAlive, s.keepAliveInitialDelay, s.highWaterMark,
          s.listenerCount('connection'), s.blockList]; });
      attempt('Server ' + text(o), () => net.Server(o) instanceof net.Server);
    }
    attempt('two', () => net.createServer({}, 5));
    attempt('two functions', () => net.createServer(() => {}, () => {}).listenerCount('connection'));`,
  'options of new net.Socket': `${HELP}
    const options = [undefined, null, {}, 1e6, 'x', [], { fd: 'x' }, { fd: -1 }, { fd: 1e6 }, { handle: null }, { handle: undefined }, {
      allowHalfOpen: 1 },
      { readable: true, writable: true }, { objectMode: true }, { readableObjectMode: true }, { writableObjectMode: true }, {
        signal: 5 }, { signal: new AbortController().signal },
      { onread: 5 }, { onread: {} }, { onread: { buffer: Buffer.alloc(1) } }, { onread: { buffer: 5, callback() {} } }, { onread: {
        buffer: () => 5, callback() {} } },
      { noDelay: true }, { keepAlive: true }, { keepAliveInitialDelay: 'x' }, { highWaterMark: 5 }, { highWaterMark: -1 }, {
        readableHighWaterMark: 7 },
      { decodeStrings: false }, { emitClose: false }, { autoDestroy: false }, { blockList: 5 }, { path: 5 }, { typeOfService: 5 }];
    for (const o of options) {
      for (const f of [(o) => new net.Socket(o), (o) => net.Socket(o)]) {
        attempt(text(o), () => { const s = f(o);
          s.on('error', (e) => say(text(o), 'error', e));
          return [s.allowHalfOpen, s.readable, s.writable, s.readyState, s.connecting, s.pending, s.readableHighWaterMark,
            s.writableHighWaterMark,
            s._writableState.decodeStrings, s._handle === null, s.readableObjectMode]; });
      }
    }`,
};
