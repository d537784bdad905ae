/** `dns`: arguments, answers, errors and their shapes; a name server within the program. */
import { HELP } from './help.ts';

const SERVER = `
// A name server: what it answers is in the name. Answers are made by hand, so that nothing stands between.
const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, NAPTR: 35, TLSA: 52, ANY: 255, CAA: 257 };
const nameBytes = (n) => Buffer.concat([...n.split('.').filter(Boolean).map((l) => Buffer.concat([Buffer.from([l.length]),
  Buffer.from(l)])), Buffer.from([0])]);
const u16 = (n) => Buffer.from([n >> 8, n & 255]), u32 = (n) => Buffer.concat([u16(n >>> 16), u16(n & 0xffff)]);
const str = (t) => Buffer.concat([Buffer.from([Buffer.byteLength(t)]), Buffer.from(t)]);
const DATA = {
  A: () => Buffer.from([192, 0, 2, 1]), AAAA: () => Buffer.from('20010db8000000000000000000000001', 'hex'),
    NS: () => nameBytes('NS1.Example.org'), CNAME: () => nameBytes('Real.Example.org'),
  PTR: () => nameBytes('Host.Example.org'), MX: () => Buffer.concat([u16(10), nameBytes('Mail.Example.org')]),
    TXT: () => Buffer.concat([str('hello world'), str('second'), str('')]), SRV: () => Buffer.concat([u16(1), u16(2), u16(8080),
    nameBytes('Srv.Example.org')]),
  SOA: () => Buffer.concat([nameBytes('NS1.Example.org'), nameBytes('Host.Example.org'), u32(2024010101), u32(1), u32(2), u32(3),
    u32(4)]), NAPTR: () => Buffer.concat([u16(100), u16(10), str('S'), str('SIP+D2U'), str('!^.*$!sip:x@y!'),
    nameBytes('Sip.Example.org')]),
  CAA: () => Buffer.concat([Buffer.from([128]), str('issue'), Buffer.from('ca.example.org')]),
    TLSA: () => Buffer.concat([Buffer.from([3, 1, 1]), Buffer.alloc(32, 7)]),
};
const asked = [];
function answer(q) {
  let at = 12; const labels = [];
  while (q[at]) { labels.push(q.toString('latin1', at + 1, at + 1 + q[at])); at += q[at] + 1; }
  const type = q.readUInt16BE(at + 1), kind = Object.keys(TYPES).find((k) => TYPES[k] === type) || String(type),
    name = labels.join('.').toLowerCase();
  asked.push(name + ' ' + kind);
  const question = q.subarray(12, at + 5); let rcode = 0; const records = [];
  const rr = (owner, k, ttl, data) => records.push(Buffer.concat([owner === null ? Buffer.from([0xc0, 12]) : nameBytes(owner),
    u16(TYPES[k]), u16(1), u32(ttl), u16(data.length), data]));
  if (name.startsWith('nx')) rcode = 3; else if (name.startsWith('fail')) rcode = 2; else if (name.startsWith('refused')) rcode = 5;
  else if (name.startsWith('notimp')) rcode = 4; else if (name.startsWith('formerr')) rcode = 1;
  else if (name.startsWith('silent')) return null; else if (name.startsWith('nodata')) rcode = 0;
  else if (name.startsWith('alias') && type !== 5) { rr(null, 'CNAME', 30, nameBytes('Real.Example.org'));
  if (DATA[kind]) rr('Real.Example.org', kind, 60, DATA[kind]()); }
  else if (name.startsWith('many')) { for (let i = 1; i < 5; i++) rr(null, 'A', i * 10, Buffer.from([10, 0, 0, i])); }
  else if (kind === 'ANY') { for (const k of Object.keys(DATA)) if (k !== 'TLSA' && k !== 'CNAME') rr(null, k, 120, DATA[k]()); }
  else if (DATA[kind]) rr(null, kind, 120, DATA[kind]());
  const bad = name.startsWith('garbage');
  return Buffer.concat([q.subarray(0, 2), Buffer.from([0x85, 0x80 | rcode]), u16(1), u16(records.length), u16(0), u16(0), question,
    ...(bad ? [Buffer.from([1, 2, 3])] : records)]);
}
async function serve(where) {
  const s = dgram.createSocket('udp4'); s.on('message', (q, from) => { const a = answer(q); if (a) s.send(a, from.port, from.address);
  }); s.bind(0, where || '127.0.0.1'); await once(s, 'listening'); return s;
}
`;

export const DNS_STATES: Readonly<Record<string, string>> = {
  'dns: arguments of everything': `${HELP}
    const values = [undefined, null, 5, true, '', {}, [], () => {}, 'x'];
    for (const f of ['lookup', 'lookupService', 'resolve', 'resolve4', 'resolve6', 'resolveAny', 'resolveCaa', 'resolveCname',
      'resolveMx', 'resolveNaptr', 'resolveNs', 'resolvePtr', 'resolveSoa', 'resolveSrv', 'resolveTxt', 'resolveTlsa', 'reverse',
      'setServers', 'setDefaultResultOrder']) {
      if (!dns[f]) continue;
      for (const v of values) {
        if (v === 'x' && f !== 'setServers' && f !== 'setDefaultResultOrder') continue;
        attempt(f + '(' + text(v) + ')', () => { const r = dns[f](v); return typeof r === 'object' ? 'an object' : r; });
        if (typeof v !== 'string' || f.startsWith('set')) attempt(f + '(' + text(v) + ', cb)', () => { const r = dns[f](v, () => {});
        return typeof r === 'object' ? 'an object' : r; });
      }
      for (const v of values) attempt(f + '(127.0.0.1, ' + text(v) + ')', () => { const r = dns[f]('127.0.0.1', v);
      return typeof r === 'object' ? 'an object' : r; });
    }
    `,
  'dns: arguments of promises': `${HELP}
    (async () => {
      const values = [null, 5, true, {}, [], () => {}];
      const p = dns.promises;
      for (const f of ['lookup', 'lookupService', 'resolve', 'resolve4', 'resolveAny', 'resolveSoa', 'resolveTxt', 'reverse',
        'setServers', 'setDefaultResultOrder']) {
        for (const v of values) {
          const name = f + '(' + text(v) + ')';
          try { const r = p[f](v); say(name, r === undefined ? 'undefined' : r.constructor.name);
          if (r) await r.then((x) => say(name, 'resolved', x), (e) => say(name, 'rejected', e)); } catch (e) { say(name, 'threw', e); }
        }
      }
      for (const o of [{ family: 5 }, { family: 'IPv4' }, { family: '4' }, { hints: 1e6 }, { hints: 'x' }, { all: 1 }, { all: true }, {
        verbatim: 5 }, { order: 'x' }, { order: 'ipv4first', all: true }, { family: 0 }, { family: null }, { family: undefined,
        hints: undefined, all: undefined, verbatim: undefined }, 4, 6, 0, 5, 'x'])
        try { await p.lookup('127.0.0.1', o).then((x) => say(o, x), (e) => say(o, 'rejected', e)); } catch (e) { say(o, 'threw', e); }
      for (const o of [{ family: 5 }, { family: 'IPv4' }, { family: 'IPv6' }, { hints: 1e6 }, { all: true }, { verbatim: 5 }, {
        order: 'x' }, 4, 6, 5])
        try { await new Promise((r) => { dns.lookup('127.0.0.1', o, (...a) => { say(o, ...a); r(); }); });
        } catch (e) { say(o, 'threw', e); }
      for (const a of ['127.0.0.1', 'x', '', 5]) for (const port of [80, 0, 65535, 65536, -1, '80', 'x', null]) {
        if (port === 65535 || port === 0) continue; try { await p.lookupService(a, port).then((x) => say(a, port, x.service),
        (e) => say(a, port, e.code)); } catch (e) { say(a, port, 'threw', e); } }
    })();`,
  'dns: lookups of localhost and of addresses': `${HELP}
    (async () => {
      const ask = (...args) => new Promise((r) => { const q = dns.lookup(...args, (...a) => { say(...args, '->', ...a); r(); });
      say(typeof q, q && q.constructor.name); });
      for (const name of ['127.0.0.1', '::1', '::ffff:127.0.0.1', 'fe80::1', '1.2.3.4', '0.0.0.0', '::', '', null, undefined, false]) {
        await ask(name); await ask(name, { all: true }); await ask(name, 6); await ask(name, { family: 4, all: true }); }
      await ask('localhost', 4); await ask('localhost', { family: 4, all: true }); await ask('LOCALHOST', 4);
      await ask('127.0.0.1', { hints: dns.ADDRCONFIG }); await ask('127.1', 4); await ask('0x7f.1', 4); await ask('2130706433', 4);
      say(Object.keys(dns).filter((k) => k === k.toUpperCase()).sort().map((k) => k + '=' + dns[k]).join(' '));
      say(Object.keys(dns).sort().join(' ')); say(Object.keys(dns.promises).sort().join(' '));
      say(require('dns/promises') === dns.promises, util.inspect(new dns.Resolver()).slice(0, 40),
        Object.getOwnPropertyNames(dns.Resolver.prototype).sort().join(' '),
        Object.getOwnPropertyNames(dns.promises.Resolver.prototype).sort().join(' '));
    })();`,
  'dns: setServers and getServers': `${HELP}
    const r = new dns.Resolver(), before = dns.getServers();
    for (const list of [[], ['127.0.0.1'], ['127.0.0.1:53'], ['127.0.0.1:5353'], ['::1'], ['[::1]'], ['[::1]:53'], ['[::1]:5353'],
      ['fe80::1%lo'], ['127.0.0.1', '::1', '8.8.8.8:5'], ['localhost'], ['127.0.0.1:x'], [''], [5], [null], [undefined], [{}], ['[::1'],
      ['::1]:5'], ['1.2.3'], ['127.0.0.1', 'bad'], [' 127.0.0.1'], 'x', 5, null, undefined, {}]) {
      attempt('resolver ' + text(list), () => r.setServers(list)); say(r.getServers());
      attempt('dns ' + text(list), () => dns.setServers(list));
    }
    dns.setServers(before);
    for (const o of [undefined, null, {}, 5, 'x', { timeout: 5 }, { timeout: -1 }, { timeout: -2 }, { timeout: 'x' }, { timeout: 1.5 },
      { tries: 0 }, { tries: 1 }, { tries: -1 }, { tries: 'x' }, { maxTimeout: 5 }, { maxTimeout: -1 }]) {
      attempt('Resolver ' + text(o), () => new dns.Resolver(o).constructor.name);
      attempt('promises.Resolver ' + text(o), () => new dns.promises.Resolver(o).constructor.name); }
    for (const a of [[], ['127.0.0.1'], ['::1'], ['127.0.0.1', '::1'], ['::1', '127.0.0.1'], ['127.0.0.1', '127.0.0.2'], ['x'], [5],
      [null], ['127.0.0.1', 'x'], ['127.0.0.1', 5], ['']]) attempt('setLocalAddress ' + text(a), () => r.setLocalAddress(...a));
    attempt('without new', () => dns.Resolver());
    attempt('cancel', () => r.cancel()); for (const o of ['verbatim', 'ipv4first', 'ipv6first', 'x', undefined,
      5]) attempt('order ' + o, () => { dns.setDefaultResultOrder(o);
      return [dns.getDefaultResultOrder(), dns.promises.getDefaultResultOrder && dns.promises.getDefaultResultOrder()]; });`,
  'dns: records of all types, by callback and by promise, by type and by method': `${HELP}${SERVER}
    (async () => {
      const s = await serve(), where = '127.0.0.1:' + s.address().port, r = new dns.Resolver({ timeout: 2000, tries: 1 }),
        p = new dns.promises.Resolver({ timeout: 2000, tries: 1 });
      r.setServers([where]); p.setServers([where]); dns.setServers([where]);
      const show = (v) => JSON.stringify(v, (k, x) => (x instanceof ArrayBuffer ? Buffer.from(x).toString('hex') : x));
      for (const type of ['A', 'AAAA', 'ANY', 'CAA', 'CNAME', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'TXT', 'a', 'X', '',
        undefined, 5, null]) {
        for (const name of ['Some.Example.org', 'alias.example.org']) {
          const label = text([type, name]);
          await new Promise((done) => { try { r.resolve(name, type, (e, v) => { say(label, e, show(v)); done(); });
          } catch (e) { say(label, 'threw', e); done(); } });
          try { await p.resolve(name, type).then((v) => say(label, show(v)), (e) => say(label, e));
          } catch (e) { say(label, 'threw', e); }
        }
      }
      for (const f of ['resolve4', 'resolve6']) for (const o of [{ ttl: true }, { ttl: false }, { ttl: 1 }, {}, null, 5]) { try {
        await p[f]('many.example.org', o).then((v) => say(f, o, show(v)), (e) => say(f, o, e)); } catch (e) { say(f, o, 'threw', e); } }
      await dns.promises.resolveMx('x.example.org').then((v) => say(show(v)));
      await util.promisify(dns.resolveTxt)('y.example.org').then((v) => say(show(v)));
      await p.reverse('192.0.2.1').then((v) => say(show(v)), (e) => say(e));
      await p.reverse('2001:db8::1').then((v) => say(show(v)), (e) => say(e)); s.close();
    })().catch((e) => { say('rejected', e); process.emit('over'); });`,
  'dns: errors of servers': `${HELP}${SERVER}
    (async () => {
      const s = await serve(), r = new dns.promises.Resolver({ timeout: 100, tries: 1 });
      r.setServers(['127.0.0.1:' + s.address().port]);
      for (const name of ['nx.example', 'fail.example', 'refused.example', 'notimp.example', 'formerr.example', 'nodata.example',
        'silent.example', '', '.', 'a..b', 'x'.repeat(64) + '.org', ('y'.repeat(60) + '.').repeat(5), 'with space.org',
        'ünïcode.example', 'trailing.example.', '-dash.example', 'under_score.example', '127.0.0.1', '::1'])
        for (const f of ['resolve4', 'resolveTxt', 'resolveAny']) { try { await r[f](name).then((v) => say(name.slice(0, 20), f,
          'answer', Array.isArray(v)), (e) => say(name.slice(0, 20), f, e.code, e.errno, e.syscall, e.hostname && e.hostname.length,
          e.message.slice(0, 60))); } catch (e) { say('threw', e); } }
      const c = new dns.Resolver({ timeout: 5000, tries: 1 }); c.setServers(['127.0.0.1:' + s.address().port]);
      c.resolve4('silent.example', (e) => say('cancelled', e)); c.resolveMx('silent.example', (e) => say('cancelled', e));
        await later(5); c.cancel(); await later(5);
      const nobody = new dns.promises.Resolver({ timeout: 100, tries: 1 }); nobody.setServers(['127.0.0.1:1']);
      await nobody.resolve4('x.example').catch((e) => say(e));
      const none = new dns.promises.Resolver({ timeout: 100, tries: 1 }); none.setServers([]); s.close();
    })();`,
  'dns: several servers, tries, what is asked and how often': `${HELP}${SERVER}
    (async () => {
      const a = await serve(), b = await serve('127.0.0.2'); let dead = dgram.createSocket('udp4'); dead.bind(0, '127.0.0.3');
      await once(dead, 'listening'); let silent = 0; dead.on('message', () => silent++);
      const r = new dns.promises.Resolver({ timeout: 60, tries: 2 });
      r.setServers(['127.0.0.3:' + dead.address().port, '127.0.0.1:' + a.address().port]);
      say(await r.resolve4('one.example'), silent, asked.splice(0));
      r.setServers(['127.0.0.1:1', '127.0.0.2:' + b.address().port]); say(await r.resolve4('two.example'), asked.splice(0));
      r.setServers(['127.0.0.1:' + a.address().port, '127.0.0.2:' + b.address().port]);
      await r.resolve4('fail.example').catch((e) => say(e.code)); say(asked.splice(0).length);
      await r.resolve4('nx.example').catch((e) => say(e.code)); say(asked.splice(0));
      r.setServers(['127.0.0.3:' + dead.address().port]); silent = 0; await r.resolve4('three.example').catch((e) => say(e.code));
        say(silent);
      say(await Promise.all([r.resolve4('p.example').catch((e) => e.code), r.resolve4('p.example').catch((e) => e.code)])); a.close();
      b.close(); dead.close();
    })();`,
  'dns: a truncated answer is asked for over TCP': `${HELP}${SERVER}
    (async () => {
      const s = await serve(), port = s.address().port; s.removeAllListeners('message');
      s.on('message', (q, from) => { const cut = Buffer.from(answer(q)); cut[2] |= 2;
      s.send(cut.subarray(0, cut.length), from.port, from.address); say('udp'); });
      const t = net.createServer((c) => { let all = Buffer.alloc(0); c.on('error', () => {});
      c.on('data', (d) => { all = Buffer.concat([all, d]); while (all.length > 2 && all.length >= 2 + all.readUInt16BE(0)) {
        const q = all.subarray(2, 2 + all.readUInt16BE(0)); all = all.subarray(2 + q.length); say('tcp'); const a = answer(q);
        c.write(Buffer.concat([u16(a.length), a])); } }); }).listen(port, '127.0.0.1');
      await once(t, 'listening'); const r = new dns.promises.Resolver({ timeout: 1000, tries: 2 }); r.setServers(['127.0.0.1:' + port]);
      say(await r.resolve4('many.example')); say(await r.resolveTxt('text.example')); t.close();
        await new Promise((d) => setTimeout(d, 10));
      await r.resolve4('nothing.there').then((v) => say(v), (e) => say(e.code)); s.close();
    })();`,
};
