/** `dgram`: every method in every state of a socket, with right and wrong arguments. */
import { HELP } from './help.ts';

const STATES = `
const make = (type) => dgram.createSocket(type);
const states = {
  async fresh() { return make('udp4'); },
  async binding() { return make('udp4').bind(0, '127.0.0.1'); },
  async bound() { const s = make('udp4').bind(0, '127.0.0.1'); await once(s, 'listening'); return s; },
  async bound6() { const s = make('udp6').bind(0, '::1'); await once(s, 'listening'); return s; },
  async any() { const s = make('udp4').bind(0); await once(s, 'listening'); return s; },
  async any6() { const s = make({ type: 'udp6' }).bind(); await once(s, 'listening'); return s; },
  async connecting() { const s = make('udp4'); s.connect(9, '127.0.0.1'); return s; },
  async connected() { const s = make('udp4'); s.connect(9, '127.0.0.1'); await once(s, 'connect'); return s; },
  async disconnected() { const s = make('udp4'); s.connect(9, '127.0.0.1'); await once(s, 'connect'); s.disconnect(); return s; },
  async closing() { const s = make('udp4').bind(0, '127.0.0.1'); await once(s, 'listening'); s.close(); return s; },
  async closed() { const s = make('udp4').bind(0, '127.0.0.1'); await once(s, 'listening'); s.close(); await once(s, 'close'); return s;
  },
};
const end = async (s) => { try { s.close(); } catch {} await later(1); };
const place = (a) => a && a.address ? [a.address, a.family, typeof a.port] : a;
`;

const CALLS = `
const calls = {
  'address()': (s) => place(s.address()), 'remoteAddress()': (s) => place(s.remoteAddress()), 'ref()': (s) => s.ref(),
    'unref()': (s) => s.unref(),
  'getRecvBufferSize()': (s) => typeof s.getRecvBufferSize(), 'getSendBufferSize()': (s) => typeof s.getSendBufferSize(),
  'setRecvBufferSize(8192)': (s) => s.setRecvBufferSize(8192), 'setSendBufferSize(8192)': (s) => s.setSendBufferSize(8192),
  'setRecvBufferSize(0)': (s) => s.setRecvBufferSize(0), 'setRecvBufferSize(-1)': (s) => s.setRecvBufferSize(-1),
    'setRecvBufferSize("x")': (s) => s.setRecvBufferSize('x'),
  'setSendBufferSize(Infinity)': (s) => s.setSendBufferSize(Infinity), 'setSendBufferSize(2**31)': (s) => s.setSendBufferSize(2 ** 31),
  'getSendQueueSize()': (s) => s.getSendQueueSize(), 'getSendQueueCount()': (s) => s.getSendQueueCount(),
  'setBroadcast()': (s) => s.setBroadcast(), 'setBroadcast(true)': (s) => s.setBroadcast(true),
    'setBroadcast(false)': (s) => s.setBroadcast(false),
  'setTTL()': (s) => s.setTTL(), 'setTTL("x")': (s) => s.setTTL('x'), 'setTTL(0)': (s) => s.setTTL(0), 'setTTL(1)': (s) => s.setTTL(1),
    'setTTL(255)': (s) => s.setTTL(255), 'setTTL(256)': (s) => s.setTTL(256), 'setTTL(1.5)': (s) => s.setTTL(1.5),
    'setTTL(-1)': (s) => s.setTTL(-1), 'setTTL(NaN)': (s) => s.setTTL(NaN),
  'setMulticastTTL()': (s) => s.setMulticastTTL(), 'setMulticastTTL("x")': (s) => s.setMulticastTTL('x'),
    'setMulticastTTL(0)': (s) => s.setMulticastTTL(0), 'setMulticastTTL(256)': (s) => s.setMulticastTTL(256),
    'setMulticastTTL(1000)': (s) => s.setMulticastTTL(1000), 'setMulticastTTL(-1)': (s) => s.setMulticastTTL(-1),
  'setMulticastLoopback()': (s) => s.setMulticastLoopback(), 'setMulticastLoopback(16)': (s) => s.setMulticastLoopback(16),
    'setMulticastLoopback(true)': (s) => s.setMulticastLoopback(true),
    'setMulticastLoopback(false)': (s) => s.setMulticastLoopback(false),
  'setMulticastInterface()': (s) => s.setMulticastInterface(), 'setMulticastInterface(5)': (s) => s.setMulticastInterface(5),
    'setMulticastInterface("")': (s) => s.setMulticastInterface(''), 'setMulticastInterface("x")': (s) => s.setMulticastInterface('x'),
  'setMulticastInterface(127.0.0.1)': (s) => s.setMulticastInterface('127.0.0.1'),
    'setMulticastInterface(0.0.0.0)': (s) => s.setMulticastInterface('0.0.0.0'),
    'setMulticastInterface(255.255.255.255)': (s) => s.setMulticastInterface('255.255.255.255'),
  'setMulticastInterface(192.0.2.77)': (s) => s.setMulticastInterface('192.0.2.77'),
    'setMulticastInterface(::%lo)': (s) => s.setMulticastInterface('::%lo'),
    'setMulticastInterface(::%nope)': (s) => s.setMulticastInterface('::%nope'),
    'setMulticastInterface(224.0.0.2)': (s) => s.setMulticastInterface('224.0.0.2'),
  'setMulticastInterface(::1)': (s) => s.setMulticastInterface('::1'),
  'addMembership()': (s) => s.addMembership(), 'addMembership("")': (s) => s.addMembership(''),
    'addMembership("x")': (s) => s.addMembership('x'), 'addMembership(5)': (s) => s.addMembership(5),
    'addMembership(127.0.0.1)': (s) => s.addMembership('127.0.0.1'),
  'addMembership(224.0.0.114, 127.0.0.1)': (s) => s.addMembership('224.0.0.114', '127.0.0.1'),
    'the same again': (s) => s.addMembership('224.0.0.114', '127.0.0.1'),
    'addMembership(224.0.0.115, x)': (s) => s.addMembership('224.0.0.115', 'x'),
  'addMembership(224.0.0.116, 192.0.2.9)': (s) => s.addMembership('224.0.0.116', '192.0.2.9'),
    'addMembership(ff02::1:9, ::%lo)': (s) => s.addMembership('ff02::1:9', '::%lo'),
  'dropMembership()': (s) => s.dropMembership(), 'dropMembership("x")': (s) => s.dropMembership('x'),
    'dropMembership(224.0.0.114, 127.0.0.1)': (s) => s.dropMembership('224.0.0.114', '127.0.0.1'),
    'and again': (s) => s.dropMembership('224.0.0.114', '127.0.0.1'),
  'dropMembership(224.0.0.200)': (s) => s.dropMembership('224.0.0.200'),
    'dropMembership(ff02::1:9, ::%lo)': (s) => s.dropMembership('ff02::1:9', '::%lo'),
  'addSource()': (s) => s.addSourceSpecificMembership(), 'addSource(x)': (s) => s.addSourceSpecificMembership('x'),
    'addSource(0, 224..)': (s) => s.addSourceSpecificMembership(0, '224.0.0.118'),
    'addSource(x, y)': (s) => s.addSourceSpecificMembership('x', 'y'),
  'addSource(127.0.0.1, 232.1.1.1, 127.0.0.1)': (s) => s.addSourceSpecificMembership('127.0.0.1', '232.1.1.1', '127.0.0.1'),
    'addSource(127.0.0.1, 232.1.1.1, 0)': (s) => s.addSourceSpecificMembership('127.0.0.1', '232.1.1.1', 0),
    'addSource(127.0.0.1, 10.1.1.1)': (s) => s.addSourceSpecificMembership('127.0.0.1', '10.1.1.1'),
  'dropSource()': (s) => s.dropSourceSpecificMembership(),
    'dropSource(127.0.0.1, 232.1.1.1, 127.0.0.1)': (s) => s.dropSourceSpecificMembership('127.0.0.1', '232.1.1.1', '127.0.0.1'),
    'dropSource(::1, 232.1.1.1)': (s) => s.dropSourceSpecificMembership('::1', '232.1.1.1'),
  'connect()': (s) => s.connect(), 'connect(0)': (s) => s.connect(0), 'connect(70000)': (s) => s.connect(70000),
    'connect("x")': (s) => s.connect('x'), 'connect(9, 5)': (s) => s.connect(9, 5), 'connect(9, 127.0.0.1)': (s) => s.connect(9,
    '127.0.0.1'),
  'disconnect()': (s) => s.disconnect(), 'disconnect() again': (s) => s.disconnect(),
  'bind()': (s) => s.bind(), 'bind("x")': (s) => s.bind('x'), 'bind({ fd: -1 })': (s) => s.bind({ fd: -1 }),
};
`;

const SENDS = `
const B = Buffer.from('hello');
const forms = { '': [], 'undefined': [undefined], '5, 1': [5, 1], 'null': [null, 9], '{}': [{}, 9], 'x': ['x'], 'x, 0': ['x', 0],
  'x, -1': ['x', -1], 'x, 65536': ['x', 65536], 'x, "9"': ['x', '9'], 'x, "y"': ['x', 'y'], 'x, true': ['x', true],
  'x, 9': ['x', 9], 'x, 9, a': ['x', 9, '127.0.0.1'], 'x, 9, 5': ['x', 9, 5], 'x, 9, null': ['x', 9, null], 'x, 9, ""': ['x', 9, ''],
    'x, 9, false': ['x', 9, false], 'x, 9, {}': ['x', 9, {}], 'x, 9, cb': ['x', 9, 'CB'], 'x, 9, a, cb': ['x', 9, '127.0.0.1', 'CB'],
  'x, cb': ['x', 'CB'], '[x, B], 9': [['x', B], 9, '127.0.0.1', 'CB'], '[], 9': [[], 9, '127.0.0.1', 'CB'], '[5], 9': [[5], 9],
    '[null], 9': [[null], 9, '127.0.0.1'], '[[]], 9': [[[]], 9],
  'B, 1, 2, 9, a': [B, 1, 2, 9, '127.0.0.1', 'CB'], 'B, -1, 2, 9, a': [B, -1, 2, 9, '127.0.0.1'], 'B, 1, -2, 9, a': [B, 1, -2, 9,
    '127.0.0.1'], 'B, 9, 2, 9, a': [B, 9, 2, 9, '127.0.0.1'], 'B, 4, 5, 9, a': [B, 4, 5, 9, '127.0.0.1'],
  'B, 1, 2': [B, 1, 2], 'B, 1, 2, cb': [B, 1, 2, 'CB'], 'B, 0, 0, 9': [B, 0, 0, 9, '127.0.0.1', 'CB'], 'B, 1, 2, 0': [B, 1, 2, 0],
    '"abc", 1, 1, 9': ['abc', 1, 1, 9, '127.0.0.1', 'CB'], 'DataView': [new DataView(new ArrayBuffer(3)), 9, '127.0.0.1', 'CB'],
  'Uint16Array': [new Uint16Array(2), 9, '127.0.0.1', 'CB'], 'ArrayBuffer': [new ArrayBuffer(2), 9], 'other family': ['x', 9, '::1',
    'CB'], 'broadcast': ['x', 9, '255.255.255.255', 'CB'],
  'too long': [Buffer.alloc(70000), 9, '127.0.0.1', 'CB'], '65508': [Buffer.alloc(65508), 9, '127.0.0.1', 'CB'],
    '65507': [Buffer.alloc(65507), 9, '127.0.0.1', 'CB'], 'any': ['x', 9, '0.0.0.0', 'CB'],
  'port 1.5': ['x', 1.5, '127.0.0.1', 'CB'], 'with a function in the middle': ['x',
    () => {}, 9] };
`;

export const DGRAM_STATES: Readonly<Record<string, string>> = Object.fromEntries([
  ...['fresh', 'binding', 'bound', 'bound6', 'any', 'any6', 'connecting', 'connected', 'disconnected', 'closing',
    'closed'].map((state) => [
    `dgram: calls of a socket that is ${state}`, `${HELP}${STATES}${CALLS}
    (async () => {
      for (const [name, f] of Object.entries(calls)) {
        const s = await states.${state}();
        s.on('error', (e) => say(name, 'error', e));
        attempt(name, () => f(s), s);
        if (name === 'the same again' || name.startsWith('drop') || name.startsWith('and')) {
          attempt('twice add', () => s.addMembership('224.0.0.114', '127.0.0.1'), s);
          attempt('twice ' + name, () => f(s), s);
        }
        await later(0);
        await end(s);
      }
    })();`] as const),
  ...['fresh', 'bound', 'bound6', 'connected', 'closed'].map((state) => [
    `dgram: send, in all forms, on a socket that is ${state}`, `${HELP}${STATES}${SENDS}
    (async () => {
      for (const [name, form] of Object.entries(forms)) {
        const s = await states.${state}();
        s.on('error', (e) => say(name, 'error', e)).on('message', (m) => say('message'));
        attempt(name, () => s.send(...form.map((a) => (a === 'CB' ? (e, n) => say(name, 'callback', e, n) : a))), s);
        await later(2);
        await end(s);
      }
    })();`] as const),
  ['dgram: createSocket in all forms', `${HELP}
    const forms = [[], [undefined], [null], [5], [''], ['udp'], ['UDP4'], ['udp4'], ['udp6'], [{}], [{ type: 5 }], [{ type: 'udp4',
      reuseAddr: 5 }], [{ type: 'udp6', ipv6Only: true }], [[]], [true],
      [{ type: 'udp4', recvBufferSize: 'x' }], [{ type: 'udp4', recvBufferSize: -1 }], [{ type: 'udp4', sendBufferSize: 1.5 }], [{
        type: 'udp4', lookup: 'x' }], [{ type: 'udp4', lookup: null }], [{ type: 'udp4', lookup: 0 }], [{ type: 'udp4', signal: 5 }],
      [{ type: 'udp4', signal: {} }], [{ type: 'udp4', signal: null }], ['udp4', 5], ['udp4', 'x'], ['udp4', () => {}], [{ type: 'udp4',
        receiveBlockList: 5 }], [{ type: 'udp4', sendBlockList: {} }], [{ type: 'udp4', reusePort: true }]];
    for (const form of forms) {
      attempt(text(form), () => { const s = dgram.createSocket(...form);
      const out = [s.type, s.listenerCount('message'), s.constructor.name]; s.close(); return out; });
      attempt('new ' + text(form), () => { const s = new dgram.Socket(...form);
      const out = [s.type, s.listenerCount('message'), s instanceof dgram.Socket, s instanceof require('events')]; s.close();
        return out; });
    }`],
  ['dgram: bind in all forms', `${HELP}
    const forms = [[], [0], ['0'], [-1], [65536], ['x'], [1.5], [NaN], [null], [undefined, '127.0.0.1'], [0, '127.0.0.1'], [0,
      '127.0.0.1', 'CB'], [0, 'CB'], ['CB'], [0, 5], [0, ''], [0, null],
      [0, '192.0.2.1'], [0, '::1'], [0, '0.0.0.0'], [0, '255.255.255.255'], [0, '224.0.0.1'], [{}], [{ port: 0 }], [{ port: 0,
        address: '127.0.0.1' }, 'CB'], [{ address: '127.0.0.1' }], [{ port: 0, exclusive: true }], [{ fd: 'x' }], [{ fd: 1e6 }],
      [{ port: 'x' }], [{ port: -1 }], [{ port: 70000 }], [true], [[]], [{ address: 5 }]];
    (async () => {
      for (const type of ['udp4', 'udp6', { type: 'udp6', ipv6Only: true }, { type: 'udp4', reuseAddr: true }]) {
        for (const form of forms) {
          const s = dgram.createSocket(type), name = text(type) + text(form);
          s.on('error', (e) => say(name, 'error', e));
          s.on('listening', function () { const a = s.address(); say(name, 'listening', a.address, a.family, typeof a.port, this === s);
          });
          attempt(name, () => s.bind(...form.map((a) => (a === 'CB' ? function (...b) { say(name, 'callback', this === s, b.length);
          } : a))), s);
          attempt(name + ' again', () => s.bind(0), s);
          await later(form[1] === undefined || net.isIP(form[1]) ? 2 : 12);
          try { s.close(); } catch (e) { say(e); }
        }
      }
    })();`],
  ['dgram: close, its callback, twice, in callbacks, dispose', `${HELP}
    (async () => {
      const a = events('a', dgram.createSocket('udp4'), ['listening', 'close', 'error']);
      attempt('close', () => a.close((...x) => say('callback', x.length)), a);
      attempt('close', () => a.close(), a);
      attempt('dispose', () => typeof a[Symbol.asyncDispose]);
      const b = events('b', dgram.createSocket('udp4'), ['listening', 'close', 'error']).bind(0);
      b.close(() => say('b closed'));
      const c = events('c', dgram.createSocket('udp4'), ['listening', 'close', 'error']).bind(0, () => { c.close();
      attempt('in close', () => c.address()); });
      const d = events('d', dgram.createSocket('udp4'), ['listening', 'close', 'error']);
      d.send('x', 9, 'localhost', (e) => say('d sent', e));
      d.close();
      const e = events('e', dgram.createSocket('udp4'), ['listening', 'close', 'error']).bind(0, '127.0.0.1', () => {
        e.send('x', e.address().port, '127.0.0.1', (err) => say('e sent', err)); e.close(() => say('e closed')); });
      const f = events('f', dgram.createSocket('udp4'), ['listening', 'close', 'error', 'connect']);
      f.connect(9, '127.0.0.1', (err) => say('f connected', err));
      f.close();
      const g = events('g', dgram.createSocket('udp4'), ['close']).bind(0);
      if (g[Symbol.asyncDispose]) await g[Symbol.asyncDispose]();
      attempt('after', () => g.close());
    })();`],
  ['dgram: signals', `${HELP}
    (async () => {
      const one = new AbortController(), two = AbortSignal.abort();
      const a = events('a', dgram.createSocket({ type: 'udp4', signal: one.signal }), ['close', 'error', 'listening']).bind(0);
      await once(a, 'listening'); one.abort(); one.abort(); await once(a, 'close');
      const b = events('b', dgram.createSocket({ type: 'udp4', signal: two }), ['close', 'error', 'listening']);
      attempt('bind', () => b.bind(0));
      await later(2);
      const three = new AbortController();
      const c = events('c', dgram.createSocket({ type: 'udp4', signal: three.signal }), ['close', 'error']);
      c.close(); three.abort(); await later(2);
    })();`],
  ['dgram: a message and its sender, of all lengths, connected and not', `${HELP}
    (async () => {
      for (const [type, address] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
        const r = dgram.createSocket(type).bind(0, address);
        await once(r, 'listening');
        const port = r.address().port;
        for (const size of [0, 1, 512, 1472, 1473, 9000, 65000]) {
          const s = dgram.createSocket(type);
          s.send(Buffer.alloc(size, 'x'), port, address, (e, n) => say('sent', e, n));
          const [m, from] = await once(r, 'message');
          say(type, size, m.length, from.address, from.family, from.size, from.port === s.address().port, Object.keys(from));
          s.close();
        }
        const c = dgram.createSocket(type);
        c.connect(port, address); await once(c, 'connect');
        c.send('a'); c.send(Buffer.from('b')); c.send(['c', 'd'], (e, n) => say('sent', e, n)); c.send(Buffer.from('efgh'), 1, 2);
        attempt('to another', () => c.send('x', port, address));
        for (let i = 0; i < 4; i++) { const [m] = await once(r, 'message'); say(m); }
        r.send('back', c.address().port, address); say((await once(c, 'message'))[0]);
        const other = dgram.createSocket(type); other.send('not for you', c.address().port, address, () => other.close());
        c.on('message', () => say('never')); await later(5);
        say(place(c.remoteAddress()), place(c.address()));
        c.disconnect(); attempt('remote', () => c.remoteAddress());
        c.send('free', port, address); say((await once(r, 'message'))[0]);
        c.close(); r.close();
      }
      function place(a) { return [a.address, a.family]; }
    })();`],
  ['dgram: a lookup function, and what it may answer', `${HELP}
    (async () => {
      for (const [what, answer] of [['an address', [null, '127.0.0.1', 4]], ['an error', [new Error('no')]], ['nothing', [null]],
        ['not an address', [null, 'x', 4]], ['other family', [null, '::1', 6]]]) {
        const s = dgram.createSocket({ type: 'udp4', lookup(name, options, cb) { say('lookup', name, options, typeof cb);
        process.nextTick(cb, ...answer); } });
        s.on('error', (e) => say(what, 'error', e));
        s.send('x', 9, 'some.name', (e, n) => say(what, 'callback', e, n));
        await later(4);
        try { s.close(); } catch (e) { say(e); }
        const b = dgram.createSocket({ type: 'udp4', lookup(name, options, cb) { say('lookup', name, options);
        process.nextTick(cb, ...answer); } });
        b.on('error', (e) => say(what, 'error', e)).on('listening', () => say('listening', b.address().address));
        b.bind(0, 'some.name');
        await later(4);
        try { b.close(); } catch (e) { say(e); }
        const c = dgram.createSocket({ type: 'udp4', lookup(name, options, cb) { say('lookup', name, options);
        process.nextTick(cb, ...answer); } });
        c.on('error', (e) => say(what, 'error', e)).on('connect', () => say('connect', c.remoteAddress().address));
        c.connect(9, 'some.name', (e) => say('callback', e));
        await later(4);
        try { c.close(); } catch (e) { say(e); }
      }
    })();`],
  ['dgram: order of events and callbacks', `${HELP}
    const s = events('s', dgram.createSocket('udp4', (m) => say('listener', m)), ['listening', 'message', 'close', 'error']);
    process.nextTick(() => say('tick')); Promise.resolve().then(() => say('microtask'));
    s.bind(0, '127.0.0.1', () => {
      say('callback');
      process.nextTick(() => say('tick in bind')); 
      s.send('1', s.address().port, '127.0.0.1', () => { say('sent'); process.nextTick(() => say('tick in sent')); });
      say('queue', s.getSendQueueSize(), s.getSendQueueCount());
      s.once('message', () => { setImmediate(() => { say('end'); s.close(() => say('closed')); say('after close'); }); });
    });
    say('after bind');`],
  ['dgram: multicast to oneself, loopback off, several sockets', `${HELP}
    (async () => {
      const group = '239.7.7.7', list = [], got = [], rest = async () => { await later(20); say(got.sort().splice(0)); };
      for (let i = 0; i < 3; i++) {
        const s = dgram.createSocket({ type: 'udp4', reuseAddr: true });
        s.bind(list[0] ? list[0].address().port : 0); await once(s, 'listening');
        s.on('message', (m, from) => got.push(text([i, m, from.address])));
        list.push(s);
      }
      list[0].addMembership(group, '127.0.0.1'); list[1].addMembership(group, '127.0.0.1');
      const sender = dgram.createSocket('udp4'); sender.bind(0, '127.0.0.1'); await once(sender, 'listening');
      sender.setMulticastInterface('127.0.0.1');
      const port = list[0].address().port;
      sender.send('to two', port, group); await rest();
      list[1].dropMembership(group, '127.0.0.1');
      sender.send('to one', port, group); await rest();
      sender.setMulticastLoopback(false); sender.send('to none', port, group); await rest();
      for (const s of [...list, sender]) s.close();
    })();`],
  ['dgram: setTTL, setBroadcast and buffers, in and out of range', `${HELP}
    const s = dgram.createSocket({ type: 'udp4', recvBufferSize: 10000, sendBufferSize: 15000 }).bind(0, '127.0.0.1', () => {
      say(s.getRecvBufferSize(), s.getSendBufferSize());
      s.setRecvBufferSize(1200); s.setSendBufferSize(1500); say(s.getRecvBufferSize(), s.getSendBufferSize());
      s.setRecvBufferSize(100000); s.setSendBufferSize(100000); say(s.getRecvBufferSize(), s.getSendBufferSize());
      s.send('x', s.address().port + 0, '255.255.255.255', (e) => { say(e); s.setBroadcast(true); s.close(); });
    });`],
  ['dgram: an exception in a message listener', `${HELP}
    const s = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => { s.send('a', s.address().port, '127.0.0.1');
    s.send('b', s.address().port, '127.0.0.1'); });
    process.once('uncaughtException', (e, origin) => { say(e, origin); });
    let n = 0;
    s.on('message', (m) => { say(m); if (++n === 1) throw new Error('first'); s.close(); });`],
]);
