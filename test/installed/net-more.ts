/** `net`: options of connections, Happy Eyeballs, Unix sockets, the order of events, what is around sockets. */
import { HELP } from './help.ts';

const TEMP = `const fs = require('fs'), path = require('path'), os = require('os');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kn-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
const at = (name) => path.join(dir, name);
const hidden = (s) => String(s).replaceAll(dir, 'DIR');
const real = say;
`;

export const NET_MORE: Readonly<Record<string, string>> = {
  'signatures of net.connect': `${HELP}
    const s = net.createServer((c) => c.end('x')).listen(0, 'localhost', async () => {
      const { port } = s.address();
      const forms = [[port], [String(port)], [port, 'localhost'], [port, '127.0.0.1'], [{ port }], [{ port: String(port) }], [{ port,
        host: 'localhost' }], [{ port, host: '127.0.0.1', family: 4 }],
        [{ port, host: 'localhost', family: 0 }], [{ port, host: 'localhost', family: 'IPv4' }], [{ port, localAddress: '127.0.0.1' }],
          [{ port, localAddress: '127.0.0.2', host: '127.0.0.1' }], [port, undefined], [port, null], [port, ''],
        [{ port, host: '' }], [{ port, host: null }], [{ port, host: undefined, family: undefined }], [{ port, timeout: 1000 }], [{
          port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 100 }], [{ port, allowHalfOpen: true }],
        [{ port, hints: dns.ADDRCONFIG }], [{ port, hints: dns.ADDRCONFIG | dns.V4MAPPED | dns.ALL, host: 'localhost' }], [{ port,
          hints: 12345, host: 'localhost' }], [{ port, highWaterMark: 1 }], [{ port, fd: undefined }], [{ port, host: '0.0.0.0' }], [{
          port, host: '127.0.0.9' }]];
      for (const form of forms) {
        const name = text(form);
        for (const f of [net.connect, net.createConnection, (...a) => new net.Socket().connect(...a)]) {
          let c;
          try { c = f(...form, () => say(name, 'callback')); } catch (e) { say(name, e); continue; }
          c.on('error', (e) => say(name, e.code)).on('lookup', (e, a, fam, host) => say(name, 'lookup', e && e.code, a, fam,
            host)).on('end', () => c.end()).resume();
          await Promise.race([new Promise((r) => c.on('close', r)), later(60)]);
          say(name, c.remoteAddress, c.localAddress, c.allowHalfOpen, c.timeout, c.readyState);
          c.destroy();
        }
      }
      s.close();
    });`,
  'a lookup function in all its forms': `${HELP}
    const s = net.createServer((c) => c.end('x')).listen(0, '127.0.0.1', async () => {
      const { port } = s.address();
      const answers = { 'one': [null, '127.0.0.1', 4], 'a list': [null, [{ address: '127.0.0.1', family: 4 }]], 'two': [null, [{
        address: '127.0.0.5', family: 4 }, { address: '127.0.0.1', family: 4 }]], 'empty list': [null, []], 'nothing': [null],
        'error': [Object.assign(new Error('mine'), { code: 'EMINE' })],
        'a bad address': [null, 'zzz', 4], 'a bad family': [null, '127.0.0.1', 5], 'family 0': [null, '127.0.0.1', 0],
          'null family': [null, '127.0.0.1', null], 'a list of bad': [null, [{ address: 'q', family: 4 }]], 'a mixed list': [null, [{
          address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }]], 'undefined': [undefined, undefined, undefined],
          'number': [null, 5, 4] };
      for (const auto of [true, false]) for (const [name, answer] of Object.entries(answers)) {
        for (const how of ['tick', 'sync', 'timer']) {
          let c;
          try {
            c = net.connect({ port, host: 'a.name', autoSelectFamily: auto, autoSelectFamilyAttemptTimeout: 50, lookup(host, options,
              cb) { say(name, auto, how, host, options);
              if (how === 'tick') process.nextTick(cb, ...answer); else if (how === 'sync') cb(...answer);
              else setTimeout(cb, 1, ...answer); } });
          } catch (e) { say(name, 'threw', e); continue; }
          for (const e of ['lookup', 'connect', 'error', 'close', 'connectionAttempt', 'connectionAttemptFailed',
            'connectionAttemptTimeout']) c.on(e, (...a) => say(name, e, ...a.filter((x) => x !== port)));
          c.resume();
          await Promise.race([new Promise((r) => c.on('close', r)), later(30)]); c.destroy(); await later(0);
          say(name, c.autoSelectFamilyAttemptedAddresses);
        }
      }
      s.close();
    });`,
  'Happy Eyeballs: refused, timed out, of either family, and what is told': `${HELP}
    (async () => {
      const s4 = net.createServer((c) => c.end('four')).listen(0, '127.0.0.1'); await once(s4, 'listening');
      const s6 = net.createServer((c) => c.end('six')).listen(0, '::1'); await once(s6, 'listening');
      const L = (list) => (host, options, cb) => process.nextTick(cb, null, list.map((address) => ({ address,
        family: net.isIP(address) })));
      for (const [name, list, port] of [['6 refused', ['::1', '127.0.0.1'], s4.address().port], ['4 refused', ['127.0.0.1', '::1'],
        s6.address().port], ['all refused', ['::1', '127.0.0.1', '127.0.0.2', '127.0.0.3'], 1], ['the first works', ['127.0.0.1',
        '::1'], s4.address().port],
        ['one of one', ['127.0.0.1'], s4.address().port], ['one refused', ['127.0.0.1'], 1], ['same family', ['127.0.0.2', '127.0.0.1'],
          s4.address().port], ['three', ['::1', '127.0.0.2', '127.0.0.1'], s4.address().port], ['interleaved', ['127.0.0.2',
          '127.0.0.3', '::1', '127.0.0.1'], s4.address().port]]) {
        const c = net.connect({ host: 'a.name', port, lookup: L(list), autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 30 });
        for (const e of ['lookup', 'connect', 'ready', 'data', 'error', 'close', 'connectionAttempt', 'connectionAttemptFailed',
          'connectionAttemptTimeout']) c.on(e, (...a) => say(name, e, ...a.filter((x) => x !== port)));
        say(c.connecting, c.pending, c.autoSelectFamilyAttemptedAddresses);
        await new Promise((r) => c.on('close', r));
        say(name, c.autoSelectFamilyAttemptedAddresses, c.bytesRead, c.connecting);
      }
      for (const v of [undefined, null, 'x', -1, 0, 1, 5, 10, 250, 2 ** 31, NaN]) attempt('timeout ' + v, () => {
        net.setDefaultAutoSelectFamilyAttemptTimeout(v); return net.getDefaultAutoSelectFamilyAttemptTimeout(); });
      for (const v of [undefined, null, 'x', 1, false, true]) attempt('auto ' + v, () => { net.setDefaultAutoSelectFamily(v);
      return net.getDefaultAutoSelectFamily(); });
      s4.close(); s6.close();
    })();`,
  'destroyed while it looks up, while it connects, in its events': `${HELP}
    const s = net.createServer((c) => { c.on('error', () => {}); c.end('x'); }).listen(0, '127.0.0.1', async () => {
      const { port } = s.address();
      const when = { 'at once': (c) => c.destroy(), 'next tick': (c) => process.nextTick(() => c.destroy()),
        'in lookup': (c) => c.on('lookup', () => c.destroy()), 'in connect': (c) => c.on('connect', () => c.destroy()),
        'in ready': (c) => c.on('ready', () => c.destroy()), 'in data': (c) => c.on('data', () => c.destroy()),
          'in end': (c) => c.on('end', () => c.destroy()), 'in finish': (c) => c.on('finish', () => c.destroy()),
          'with an error in connect': (c) => c.on('connect', () => c.destroy(new Error('mine'))), 'in close': (c) => c.on('close',
          () => c.destroy()), 'end at once': (c) => c.end(), 'end with data at once': (c) => c.end('y'),
          'reset at once': (c) => c.resetAndDestroy(), 'destroySoon at once': (c) => c.destroySoon() };
      for (const host of ['127.0.0.1', 'localhost']) for (const [name, f] of Object.entries(when)) {
        const c = net.connect({ port, host });
        for (const e of SOCKET) c.on(e, (...a) => say(host, name, e, e === 'lookup' ? '' : a[0]));
        f(c);
        await new Promise((r) => c.on('close', r)); await later(1);
        say(name, c.destroyed, c.readyState, c.bytesRead, c.bytesWritten, text(c.errored));
      }
      s.close();
    });`,
  'a server: maxConnections, drop, in all forms': `${HELP}
    (async () => {
      for (const max of [0, 1, 2, undefined, null, -1, '1', Infinity]) {
        const s = net.createServer(); s.maxConnections = max;
        s.on('drop', (d) => say('drop', Object.keys(d), d && d.localAddress, d && d.localFamily, d && d.remoteAddress,
          d && d.remoteFamily, typeof (d && d.localPort)));
        s.on('connection', () => say('connection')); s.listen(0, '127.0.0.1'); await once(s, 'listening');
        const list = [];
        for (let i = 0; i < 3; i++) { const c = net.connect(s.address().port, '127.0.0.1');
        c.on('connect', () => {}).on('close', (h) => { if (i === 0) say(max, i, 'close', h); }).on('error', (e) => say(e.code));
          c.on('end', () => say(max, i, 'end')).resume(); list.push(c); await later(4); }
        say(s._connections, await new Promise((r) => s.getConnections((e, n) => r([e, n]))));
        for (const c of list) c.destroy();
        s.close(); await once(s, 'close');
      }
    })();`,
  'a server: exceptions, listeners that go, errors': `${HELP}
    (async () => {
      const s = net.createServer().listen(0, '127.0.0.1'); await once(s, 'listening');
      const c = net.connect(s.address().port, '127.0.0.1'); await once(c, 'connect'); await later(2); c.destroy();
      say(s.listenerCount('connection'), s._connections);
      s.once('connection', (x) => { say('once', x.server === s, x._server === s); x.end(); });
      const d = net.connect(s.address().port, '127.0.0.1').resume(); await once(d, 'close');
      attempt('emit', () => s.emit('error', new Error('emitted')));
      s.on('error', (e) => say('error', e)); s.emit('error', new Error('heard'));
      attempt('address', () => typeof s.address().port);
      s.close((e) => say('closed', e)); s.close((e) => say('again', e));
      attempt('not a function', () => s.close(5)); attempt('connections', () => s.getConnections(5));
      attempt('connections', () => s.getConnections());
    })();`,
  'server.close and what it waits for; closeAll does not exist; unref; ref': `${HELP}
    (async () => {
      const s = net.createServer((c) => c.resume()).listen(0, '127.0.0.1'); await once(s, 'listening');
      const a = net.connect(s.address().port, '127.0.0.1'), b = net.connect(s.address().port, '127.0.0.1');
      await Promise.all([once(a, 'connect'), once(b, 'connect')]); await later(2);
      s.close((e) => say('closed', e, s.listening)); s.on('close', () => say('close'));
      const late = net.connect({ port: a.remotePort, host: '127.0.0.1' }); late.on('error', (e) => say('late', e.code)); await later(5);
      a.end(); await later(5); say('one left', s._connections); b.destroy(); await once(s, 'close');
      say(s._connections, s._handle, typeof s.closeAllConnections, typeof s[Symbol.asyncDispose]);
      const t = net.createServer().listen(0); await once(t, 'listening'); if (t[Symbol.asyncDispose]) await t[Symbol.asyncDispose]();
      say(t.listening); if (t[Symbol.asyncDispose]) await t[Symbol.asyncDispose]().catch((e) => say(e));
    })();`,
  'signals: of listen, of connect, before and after': `${HELP}
    (async () => {
      const ac = new AbortController();
      const s = events('server', net.createServer(), ['listening', 'close', 'error']).listen({ port: 0, signal: ac.signal });
      await once(s, 'listening'); ac.abort(); await once(s, 'close');
      const t = events('aborted', net.createServer(), ['listening', 'close', 'error']);
      attempt('listen', () => t.listen({ port: 0, signal: AbortSignal.abort() }), t); await later(3);
      const u = net.createServer((c) => c.resume()).listen(0, '127.0.0.1'); await once(u, 'listening'); const { port } = u.address();
      const one = new AbortController(), c = events('c', net.connect({ port, host: '127.0.0.1', signal: one.signal }), SOCKET);
      one.abort(); await once(c, 'close').catch(() => {}); await later(2);
      const two = new AbortController(), d = events('d', net.connect({ port, host: '127.0.0.1', signal: two.signal }), SOCKET);
      await once(d, 'connect'); two.abort(new Error('reason')); await once(d, 'close').catch(() => {}); await later(2);
      const e = events('e', net.connect({ port, host: '127.0.0.1', signal: AbortSignal.abort() }), SOCKET); await later(3);
      say(e.destroyed); e.destroy(); await later(2);
      const f = events('f', new net.Socket({ signal: AbortSignal.abort() }), SOCKET);
      attempt('connect', () => f.connect(port, '127.0.0.1'), f); await later(3); f.destroy(); await later(2);
      const g = events('g', net.connect({ port, host: '127.0.0.1', signal: AbortSignal.timeout(20) }), SOCKET);
      await once(g, 'close').catch(() => {}); await later(2);
      u.close();
    })();`,
  'onread: buffers, functions, stopping, with paused and encodings': `${HELP}
    const s = net.createServer((c) => { c.write('a'.repeat(10)); c.end('b'.repeat(10)); }).listen(0, '127.0.0.1', async () => {
      const { port } = s.address();
      for (const [name, make] of Object.entries({
        'one buffer': () => ({ buffer: Buffer.alloc(4), callback(n, b) { say('got', n, b.toString('latin1', 0, n));
        } }), 'a function': () => ({ buffer: () => Buffer.alloc(7), callback(n, b) { say('got', n, b.length);
          } }), 'a Uint8Array': () => ({ buffer: new Uint8Array(5), callback(n, b) { say('got', n, b.constructor.name); } }),
        'returns true': () => ({ buffer: Buffer.alloc(6), callback(n) { say('got', n); return true; } }), 'stops': () => { let k = 0;
        return { buffer: Buffer.alloc(6), callback(n) { say('got', n); setTimeout(() => this.resume && this.resume(), 5);
          return k++ > 0; } }; }, 'throws not: this': () => ({ buffer: Buffer.alloc(20), callback(n) { say(this.constructor.name, n);
          } }) })) {
        const c = net.connect({ port, host: '127.0.0.1', onread: make() });
        for (const e of ['data', 'end', 'close', 'error', 'readable']) c.on(e, (x) => say(name, e, x));
        await Promise.race([once(c, 'close'), later(60)]); say(name, c.bytesRead); c.destroy();
      }
      s.close();
    });`,
  'half open, in all four ways': `${HELP}
    (async () => {
      for (const a of [true, false]) for (const b of [true, false]) {
        const s = net.createServer({ allowHalfOpen: a }).listen(0, '127.0.0.1'); await once(s, 'listening');
        const c = net.connect({ port: s.address().port, host: '127.0.0.1', allowHalfOpen: b });
        const [peer] = await once(s, 'connection'), told = { client: [], server: [] };
        for (const [who, x] of [['client', c], ['server', peer]]) { for (const e of ['end', 'finish', 'close', 'error']) x.on(e,
          (v) => told[who].push(text([a, b, who, e, v, x.readyState, x.writable, x.readable]))); x.resume(); }
        c.end('x'); await later(10); say(a, b, c.readyState, peer.readyState, peer.writable);
        attempt('write', () => peer.write('late', (e) => say('written', e))); await later(5); peer.end(); await later(10);
        say(c.destroyed, peer.destroyed, c.bytesRead, peer.bytesRead);
        c.destroy(); peer.destroy(); s.close(); await once(s, 'close'); say(...told.client, ...told.server);
      }
    })();`,
  'a reset while writing, while reading, after the end, with data unread': `${HELP}
    (async () => {
      for (const [name, f] of Object.entries({ 'idle': () => {}, 'client writing': (c) => c.write(Buffer.alloc(3e5),
        (e) => say('written', e && e.code)), 'client ended': (c) => c.end(), 'client paused': (c) => c.pause(), 'server wrote': (c,
        p) => p.write('x') })) {
        const s = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1'); await once(s, 'listening');
        const c = net.connect({ port: s.address().port, host: '127.0.0.1', allowHalfOpen: true });
          const [p] = await once(s, 'connection'), told = [[], []]; await later(1);
        for (const e of ['end', 'close', 'error']) { c.on(e, (v) => told[0].push(text([name, 'client', e, v])));
        p.on(e, (v) => told[1].push(text([name, 'server', e, v]))); }
        c.on('data', () => {}); f(c, p); await later(5); p.resetAndDestroy(); await later(10);
        if (name === 'client paused') { c.resume(); await later(5); }
        say(name, c.destroyed, p.destroyed); attempt('write', () => c.write('y', (e) => say('callback', e && e.code))); c.destroy();
        await later(2); s.close(); say(...told[0], ...told[1]);
      }
    })();`,
  'addresses of sockets and servers, mapped and not': `${HELP}
    (async () => {
      for (const [listen, host] of [[{ port: 0 }, '127.0.0.1'], [{ port: 0 }, '::1'], [{ port: 0, host: '::' }, '127.0.0.1'], [{
        port: 0, host: '::', ipv6Only: true }, '127.0.0.1'], [{ port: 0, host: '::', ipv6Only: true }, '::1'], [{ port: 0,
        host: '0.0.0.0' }, '127.0.0.1'], [{ port: 0, host: '0.0.0.0' }, '::1'], [{ port: 0, host: '::1' }, '::1'], [{ port: 0,
        host: '::ffff:127.0.0.1' }, '127.0.0.1'], [{ port: 0, host: '127.0.0.1' }, '::ffff:127.0.0.1']]) {
        const s = net.createServer((c) => { say('server', c.address().address, c.address().family, c.localAddress, c.localFamily,
          c.remoteAddress, c.remoteFamily, Object.keys(c.address())); c.end();
          c.on('close', () => say('after', c.remoteAddress, c.localAddress, c.remoteFamily, typeof c.remotePort, c.address()));
          }).listen(listen); await once(s, 'listening');
        say(listen, host, s.address().address, s.address().family, s._connectionKey);
        const c = net.connect({ port: s.address().port, host }).resume();
        c.on('error', (e) => say(e.code, e.address)).on('connect', () => say('client', c.localAddress, c.localFamily, c.remoteAddress,
          c.remoteFamily, c.address().family)).on('close', () => say('closed', c.remoteAddress, c.localAddress, c.address(),
          c.remoteFamily));
        await new Promise((r) => c.on('close', r)); await later(3); s.close();
      }
    })();`,
  'address in use, in all ways': `${HELP}
    (async () => {
      for (const [a, b] of [[undefined, undefined], ['127.0.0.1', '127.0.0.1'], ['127.0.0.1', undefined], [undefined, '127.0.0.1'],
        ['0.0.0.0', '127.0.0.1'], ['127.0.0.1', '127.0.0.2'], ['::', '0.0.0.0'], ['::1', '127.0.0.1'], ['::', '::1']]) {
        const s = net.createServer().listen(0, a); await once(s, 'listening'); const { port } = s.address();
        const t = net.createServer(); t.on('error', (e) => say(a, b, e)).on('listening', () => say(a, b, 'listening',
          t.address().address)).on('close', () => say('closed')); t.listen(port, b); await later(4);
        attempt('again', () => t.listen(port, b)); await later(4);
        s.close(); await once(s, 'close'); if (!t.listening) { t.listen(port, b); await once(t, 'listening'); } t.close();
        await later(1);
      }
    })();`,
  'Unix sockets and the file system': `${HELP}${TEMP}
    (async () => {
      const p = at('sock'); say(fs.existsSync(p));
      const s = net.createServer((c) => { say('peer', c.remoteAddress, c.localAddress, c.address(), c.remotePort, c.remoteFamily);
      c.end('hello'); }).listen(p); await once(s, 'listening');
      say(hidden(s.address()), fs.existsSync(p), fs.statSync(p).isSocket(), fs.statSync(p).isFile(), fs.readdirSync(dir));
      const c = net.connect(p); let got = ''; c.on('data', (d) => { got += d; }); await once(c, 'close');
      say(got, c.remoteAddress, c.localAddress, c.address(), c.bytesRead);
      const t = net.createServer().on('error', (e) => console.log(hidden(text(e)))).listen(p); await later(3);
      s.close(); await once(s, 'close'); say(fs.existsSync(p));
      net.connect(p).on('error', (e) => console.log(hidden(text(e)))); await later(3);
      fs.writeFileSync(p, 'a file'); net.connect(p).on('error', (e) => console.log(hidden(text(e)))); await later(3);
      net.createServer().on('error', (e) => console.log(hidden(text(e)))).listen(p); await later(3); fs.unlinkSync(p);
      net.createServer().on('error', (e) => console.log(hidden(text(e)))).listen(at('no/such/dir')); await later(3);
      net.connect(at('no/such/dir')).on('error', (e) => console.log(hidden(text(e)))); await later(3);
      net.connect(at('y'.repeat(200))).on('error', (e) => say(e.code, e.syscall)); await later(3);
      net.createServer().on('error', (e) => console.log(hidden(text(e)))).listen(dir); await later(3);
      net.connect(dir).on('error', (e) => console.log(hidden(text(e)))); await later(3);
    })();`,
  'Unix sockets: unlinked, renamed, listened on anew, modes': `${HELP}${TEMP}
    (async () => {
      const p = at('sock'), s = net.createServer((c) => c.end('first')).listen(p); await once(s, 'listening');
      const c0 = net.connect(p).resume(); await once(c0, 'close');
      fs.renameSync(p, at('other')); const c1 = net.connect(at('other')).on('data', (d) => say('renamed', d)); await once(c1, 'close');
      net.connect(p).on('error', (e) => say(e.code)); await later(3); fs.renameSync(at('other'), p);
      fs.unlinkSync(p); net.connect(p).on('error', (e) => say('unlinked', e.code)); await later(3);
      const t = net.createServer((c) => c.end('second')).listen(p); await once(t, 'listening');
      const c2 = net.connect(p).on('data', (d) => say(d)); await once(c2, 'close');
      s.close(); await once(s, 'close'); say(fs.existsSync(p)); if (t.listening) { t.close(); await once(t, 'close');
      } say(fs.existsSync(p));
      for (const options of [{ readableAll: true }, { writableAll: true }, { readableAll: true, writableAll: true }, {}]) {
        const u = net.createServer().listen({ path: at('mode'), ...options }); await once(u, 'listening');
        const { mode } = fs.statSync(at('mode')); say(options, (mode & 0o777).toString(8)); u.close(); await once(u, 'close');
          say(fs.existsSync(at('mode'))); }
      const q = fs.openSync(at('plain'), 'w'); fs.closeSync(q); fs.symlinkSync(at('target'), at('link'));
      const v = net.createServer((c) => c.end('link')).listen(at('target')); await once(v, 'listening');
        const c3 = net.connect(at('link')).on('data', (d) => say(d)); await once(c3, 'close'); v.close(); await once(v, 'close');
      process.chdir(dir); const w = net.createServer((c) => c.end('relative')).listen('rel.sock'); await once(w, 'listening');
      say(w.address(), fs.existsSync('rel.sock'), fs.existsSync(at('rel.sock')));
        const c4 = net.connect(at('rel.sock')).on('data', (d) => say(d)); await once(c4, 'close');
        const c5 = net.connect('./rel.sock').on('data', (d) => say(d)); await once(c5, 'close'); w.close(); await once(w, 'close');
    })();`,
  'Unix sockets: abstract, states, options, half open, reset, big': `${HELP}${TEMP}
    (async () => {
      const name = String.fromCharCode(0) + 'kernet-abstract-' + process.pid;
      const a = net.createServer((c) => c.end('abstract')).on('error', (e) => say('abstract', e.code)).listen(name); await later(5);
        if (a.listening) { const c = net.connect(name).on('data', (d) => say(d)); await once(c, 'close'); a.close(); }
      const p = at('s'), s = net.createServer({ allowHalfOpen: true }).listen({ path: p, backlog: 5 }); await once(s, 'listening');
      const c = net.connect({ path: p, allowHalfOpen: true }, () => say('callback')); say(c.connecting, c.readyState);
        const [peer] = await once(s, 'connection'); say(c.connecting, c.pending);
      attempt('noDelay', () => c.setNoDelay(true) === c); attempt('keepAlive', () => c.setKeepAlive(true) === c);
      attempt('timeout', () => c.setTimeout(100) === c); c.setTimeout(0); attempt('reset', () => peer.resetAndDestroy.name);
        attempt('unref', () => c.unref().ref() === c);
      peer.resume(); peer.on('end', () => { say('end', peer.bytesRead); peer.end('bye'); }); c.write(Buffer.alloc(300000)); c.end();
      let got = ''; c.on('data', (d) => { got += d; }); await once(c, 'end'); say(got, c.bytesWritten); c.destroy();
      await later(3); const d = net.connect(p); d.on('error', (e) => say('d', e.code)); const [peer2] = await once(s, 'connection');
      attempt('resetAndDestroy', () => { d.on('close', (h) => say('close', h)); d.resetAndDestroy(); });
        peer2.on('error', (e) => say('peer2', e.code)).resume(); await later(5); peer2.destroy();
      s.close(); await once(s, 'close');
      const q = net.connect({ path: p, port: 1 }).on('error', (e) => say(e.code, e.syscall)); await later(3);
      attempt('both', () => net.connect({ path: p, host: 'x' }).on('error', (e) => say(e.code))); await later(3);
    })();`,
  'pause, flow, and the order of what each side sees': `${HELP}
    const told = { server: [], client: [] }, tell = (who, ...what) => told[who].push(text(what));
    const s = net.createServer({ pauseOnConnect: true }, (c) => {
      tell('server', 'paused', c.isPaused()); c.on('data', (d) => tell('server', 'data', String(d)));
      c.on('end', () => { tell('server', 'end'); c.end('done'); }); setTimeout(() => { tell('server', 'resume'); c.resume(); }, 5);
    }).listen(0, '127.0.0.1', () => {
      const c = net.connect(s.address().port, '127.0.0.1'); c.setEncoding('utf8');
      c.on('data', (d) => tell('client', 'data', d)).on('end', () => tell('client', 'end'));
      c.on('close', (h) => { tell('client', 'close', h); s.close(() => say(...told.server, ...told.client)); });
      say(c.write('one'), c.writableLength, c.bytesWritten); c.write('two', () => tell('client', 'two written', c.writableLength));
      c.end('three', () => tell('client', 'ended'));
    });`,
  'bytes, back-pressure, writableLength, cork, high-water marks': `${HELP}
    const s = net.createServer((c) => { c.pause(); setTimeout(() => c.resume(), 10);
    c.on('data', () => {}).on('end', () => { say('server', c.bytesRead); }); }).listen(0, '127.0.0.1', async () => {
      for (const highWaterMark of [undefined, 1, 100000]) {
        const c = net.connect({ port: s.address().port, host: '127.0.0.1', ...(highWaterMark ? { highWaterMark } : {}) });
        say(c.writableHighWaterMark, c.readableHighWaterMark); await once(c, 'connect');
        c.cork(); c.write('abc'); c.write('def'); say(c.writableLength, c.bytesWritten, c.writableCorked); c.uncork();
        say(c.writableLength > 0, c.bytesWritten);
        for (const e of ['utf8', 'latin1', 'ascii', 'ucs2', 'hex', 'base64', 'base64url', 'binary', 'utf16le']) c.write('6162636465',
          e); say(c.bytesWritten);
        c.write(Buffer.alloc(5e6), () => say('written', c.bytesWritten)); say(c.bytesWritten, c.writableNeedDrain); c.end();
        await once(c, 'close'); say(c.bytesWritten);
      }
      s.close();
    });`,
  'timeouts of sockets: active, refreshed, cleared, by option, of a server': `${HELP}
    const s = net.createServer((c) => { c.resume(); c.on('error', () => {}); }).listen(0, '127.0.0.1', async () => {
      const port = s.address().port;
      const a = net.connect({ port, host: '127.0.0.1', timeout: 15 }); a.on('timeout', () => { say('a timeout', a.timeout, a.destroyed);
      a.end(); }); await once(a, 'timeout');
      const b = net.connect(port, '127.0.0.1'); b.setTimeout(40, () => say('b timeout')); const t = setInterval(() => b.write('x'), 10);
      await later(90); say('b active'); clearInterval(t); await once(b, 'timeout'); b.destroy();
      const c = net.connect(port, '127.0.0.1'); const f = () => say('never'); c.setTimeout(10, f); c.setTimeout(0, f); await later(25);
      say(c.listenerCount('timeout'), c.timeout); c.destroy();
      const d = net.connect(port, '127.0.0.1'); d.setTimeout(10); d.on('timeout', () => say('d timeout')); await later(16);
      d.setTimeout(10); await later(16); d.destroy(); await later(15);
      s.close();
    });`,
};
