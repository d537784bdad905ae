// dns.resolve* and Resolver: the same name server, asked on both arms.
import type { Answer } from 'dns-packet';
import type { Resolver } from 'node:dns';
import { attempt, settled, twoArms, type Say } from './arms.ts';
import { nameServer, resolverOf, type Known } from './name-server.ts';

const A = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });
const AAAA = (name: string, data: string, ttl = 60): Answer => ({ type: 'AAAA', name, data, ttl });
const CNAME = (name: string, data: string): Answer => ({ type: 'CNAME', name, data, ttl: 60 });

const EVERYTHING: readonly Answer[] = [
  A('all.test', '192.0.2.1', 11), A('all.test', '192.0.2.2', 12), AAAA('all.test', '2001:db8::1', 13),
  { type: 'MX', name: 'all.test', ttl: 60, data: { preference: 10, exchange: 'mail.test' } },
  { type: 'NS', name: 'all.test', ttl: 60, data: 'ns.test' },
  { type: 'TXT', name: 'all.test', ttl: 60, data: ['one', 'two'] },
  { type: 'SRV', name: 'all.test', ttl: 60, data: { priority: 1, weight: 2, port: 3, target: 'srv.test' } },
  { type: 'PTR', name: 'all.test', ttl: 60, data: 'ptr.test' },
  { type: 'NAPTR', name: 'all.test', ttl: 60, data: {
    order: 1, preference: 2, flags: 'u', services: 'sip', regexp: '!a!b!', replacement: '.',
  } },
  { type: 'SOA', name: 'all.test', ttl: 60, data: {
    mname: 'ns.test', rname: 'admin.test', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5,
  } },
  { type: 'CAA', name: 'all.test', ttl: 60, data: { flags: 0, tag: 'issue', value: 'ca.test' } as never },
];

const TXT = (data: string | string[]): Answer => ({ type: 'TXT', name: 'txt.test', ttl: 60, data });

const KNOWN: Known = {
  'all.test': EVERYTHING,
  'a.test': [A('a.test', '192.0.2.9', 30)],
  'six.test': [AAAA('six.test', '2001:db8:0:0:0:0:0:6', 31), AAAA('six.test', '::1', 32), AAAA('six.test', '::ffff:1.2.3.4', 33)],
  'alias.test': [CNAME('alias.test', 'a.test'), A('a.test', '192.0.2.9', 30)],
  'far.test': [CNAME('far.test', 'alias.test'), CNAME('alias.test', 'a.test'), A('a.test', '192.0.2.9', 30)],
  'only-alias.test': [CNAME('only-alias.test', 'elsewhere.test')],
  'txt.test': [TXT(['a', 'b']), TXT('c'), TXT(''), TXT(['grün'])],
  'mx.test': [
    { type: 'MX', name: 'mx.test', ttl: 60, data: { preference: 20, exchange: 'b.test' } },
    { type: 'MX', name: 'mx.test', ttl: 60, data: { preference: 10, exchange: 'a.test' } },
    { type: 'MX', name: 'mx.test', ttl: 60, data: { preference: 0, exchange: '.' } },
  ],
  'caa.test': [
    { type: 'CAA', name: 'caa.test', ttl: 60, data: { flags: 128, tag: 'issuewild', value: ';' } as never },
    { type: 'CAA', name: 'caa.test', ttl: 60, data: { flags: 0, tag: 'iodef', value: 'mailto:a@b.test' } as never },
  ],
  'naptr.test': [
    { type: 'NAPTR', name: 'naptr.test', ttl: 60, data: {
      order: 100, preference: 5, flags: 's', services: 'SIP+D2U', regexp: '', replacement: 'sip.test',
    } },
  ],
  'tlsa.test': [{
    type: 'TLSA', name: 'tlsa.test', ttl: 60, data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from('abcd') },
  } as never],
  'soa.test': [{ type: 'SOA', name: 'soa.test', ttl: 60, data: {
    mname: 'NS.Test', rname: 'Admin.Test', serial: 4294967295, refresh: 2, retry: 3, expire: 4, minimum: 5,
  } }],
  'empty.test': [],
  'cut.test': [A('cut.test', '192.0.2.7')],
  'servfail.test': 2,
  'refused.test': 5,
  'notimp.test': 4,
  'mixed.test': [A('mixed.test', '192.0.2.1'), AAAA('mixed.test', '2001:db8::1')],
  'xn--mnchen-3ya.test': [A('xn--mnchen-3ya.test', '192.0.2.44')],
  '1.2.0.192.in-addr.arpa': [{ type: 'PTR', name: '1.2.0.192.in-addr.arpa', ttl: 60, data: 'one.test' }, {
    type: 'PTR', name: '1.2.0.192.in-addr.arpa', ttl: 60, data: 'uno.test',
  }],
  '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': [{
    type: 'PTR', name: '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa', ttl: 60, data: 'six.test',
  }],
};

type Ask = (r: Resolver, done: (error: Error | null, result?: unknown) => void) => unknown;

/** Calls with a callback, and says what it got. */
async function ask(say: Say, what: string, r: Resolver, call: Ask): Promise<void> {
  await new Promise<void>((resolve) => {
    try {
      call(r, (error, result) => {
        say(what, error, result);
        resolve();
      });
    } catch (error) {
      say(what, 'threw', error);
      resolve();
    }
  });
}

/** Behaviours of one question each. */
const QUESTIONS: Readonly<Record<string, Ask>> = {
  'resolve4': (r, done) => r.resolve4('all.test', done as never),
  'resolve4 with ttl': (r, done) => r.resolve4('all.test', { ttl: true }, done as never),
  'resolve4 without ttl': (r, done) => r.resolve4('all.test', { ttl: false }, done as never),
  'resolve6': (r, done) => r.resolve6('six.test', done as never),
  'resolve6 with ttl': (r, done) => r.resolve6('six.test', { ttl: true }, done as never),
  'resolve': (r, done) => r.resolve('all.test', done as never),
  'resolve of type A': (r, done) => r.resolve('all.test', 'A', done as never),
  'resolve of type AAAA': (r, done) => r.resolve('six.test', 'AAAA', done as never),
  'resolve of type MX': (r, done) => r.resolve('mx.test', 'MX', done as never),
  'resolve of type TXT': (r, done) => r.resolve('txt.test', 'TXT', done as never),
  'resolve of type ANY': (r, done) => r.resolve('all.test', 'ANY', done as never),
  'resolve of type PTR': (r, done) => r.resolve('1.2.0.192.in-addr.arpa', 'PTR', done as never),
  'resolve of a type that is none': (r, done) => r.resolve('all.test', 'NOPE' as never, done as never),
  'resolve of a type in lower case': (r, done) => r.resolve('all.test', 'mx' as never, done as never),
  'resolve of a type of another type': (r, done) => r.resolve('all.test', 5 as never, done as never),
  'resolveMx': (r, done) => r.resolveMx('mx.test', done),
  'resolveNs': (r, done) => r.resolveNs('all.test', done),
  'resolveTxt': (r, done) => r.resolveTxt('txt.test', done),
  'resolveSrv': (r, done) => r.resolveSrv('all.test', done),
  'resolvePtr': (r, done) => r.resolvePtr('1.2.0.192.in-addr.arpa', done),
  'resolveNaptr': (r, done) => r.resolveNaptr('naptr.test', done),
  'resolveNaptr with a root': (r, done) => r.resolveNaptr('all.test', done),
  'resolveSoa': (r, done) => r.resolveSoa('all.test', done),
  'resolveSoa with upper case and a large serial': (r, done) => r.resolveSoa('soa.test', done),
  'resolveCaa': (r, done) => r.resolveCaa('caa.test', done),
  'resolveCname': (r, done) => r.resolveCname('only-alias.test', done),
  'resolveAny': (r, done) => r.resolveAny('all.test', done),
  'an alias': (r, done) => r.resolve4('alias.test', done as never),
  'an alias with ttl': (r, done) => r.resolve4('alias.test', { ttl: true }, done as never),
  'two aliases': (r, done) => r.resolve4('far.test', done as never),
  'ANY of an alias': (r, done) => r.resolveAny('alias.test', done),
  'upper case': (r, done) => r.resolve4('A.TEST', done as never),
  'a dot at the end': (r, done) => r.resolve4('a.test.', done as never),
  'a name in Unicode': (r, done) => r.resolve4('münchen.test', done as never),
  'no such name': (r, done) => r.resolve4('no.test', done as never),
  'no such name, MX': (r, done) => r.resolveMx('no.test', done),
  'no such name, ANY': (r, done) => r.resolveAny('no.test', done),
  'no record of the type': (r, done) => r.resolve6('a.test', done as never),
  'no record of the type, TXT': (r, done) => r.resolveTxt('a.test', done),
  'no record of the type, SOA': (r, done) => r.resolveSoa('a.test', done),
  'an empty answer': (r, done) => r.resolve4('empty.test', done as never),
  'an empty answer to ANY': (r, done) => r.resolveAny('empty.test', done),
  'an alias to nowhere': (r, done) => r.resolve4('only-alias.test', done as never),
  'a server that fails': (r, done) => r.resolve4('servfail.test', done as never),
  'a server that refuses': (r, done) => r.resolve4('refused.test', done as never),
  'a server that does not know how': (r, done) => r.resolve4('notimp.test', done as never),
  'a truncated answer': (r, done) => r.resolve4('cut.test', done as never),
  'an empty label': (r, done) => r.resolve4('a..test', done as never),
  'a label that is too long': (r, done) => r.resolve4(`${'x'.repeat(64)}.test`, done as never),
  'a name that is too long': (r, done) => r.resolve4(`${'x.'.repeat(130)}test`, done as never),
  'reverse': (r, done) => r.reverse('192.0.2.1', done),
  'reverse of IPv6': (r, done) => r.reverse('2001:db8::1', done),
  'reverse of nobody': (r, done) => r.reverse('192.0.2.200', done),
  'reverse of what is no address': (r, done) => r.reverse('nonsense', done),
};

for (const [what, call] of Object.entries(QUESTIONS)) {
  twoArms(`dns: ${what}`, async (arm, say) => {
    const server = await nameServer(arm, KNOWN);
    await ask(say, what, resolverOf(arm, server, { timeout: 1000, tries: 1 }), call);
    await server.close();
  });
}

interface WithTlsa {
  resolveTlsa?: (name: string, done: (e: Error | null, list?: { data: ArrayBuffer }[]) => void) => void;
}

twoArms('dns: TLSA records, where Node knows them', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  const r = resolverOf(arm, server) as Resolver & WithTlsa;
  say('there', typeof r.resolveTlsa);
  if (r.resolveTlsa !== undefined) {
    await new Promise<void>((resolve) => {
      r.resolveTlsa!('tlsa.test', (error, list) => {
        say('tlsa', error, list, list?.map(({ data }) => Buffer.from(data).toString()));
        resolve();
      });
    });
    await ask(say, 'none', r, (_r, done) => r.resolveTlsa!('a.test', done));
  }
  await server.close();
});

twoArms('dns: promises of a Resolver, fulfilled and rejected', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  const r = new arm.dns.promises.Resolver({ timeout: 1000, tries: 1 });
  r.setServers([server.at]);
  await settled(say, 'resolve4', () => r.resolve4('all.test'));
  await settled(say, 'ttl', () => r.resolve4('all.test', { ttl: true }));
  await settled(say, 'resolve', () => r.resolve('all.test'));
  await settled(say, 'resolve AAAA', () => r.resolve('six.test', 'AAAA'));
  await settled(say, 'resolveAny', () => r.resolveAny('all.test'));
  await settled(say, 'reverse', () => r.reverse('192.0.2.1'));
  await settled(say, 'no such name', () => r.resolve4('no.test'));
  await settled(say, 'bad name', () => r.resolve4('a..test'));
  await settled(say, 'no address', () => r.reverse('nonsense'));
  attempt(say, 'no type', () => void r.resolve('all.test', 'NOPE' as never));
  await server.close();
});

twoArms('dns: many questions at once are answered each for itself', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  const r = new arm.dns.promises.Resolver();
  r.setServers([server.at]);
  const all = await Promise.all(['a.test', 'all.test', 'alias.test', 'a.test'].map((name) => r.resolve4(name)));
  say('all', all);
  await server.close();
});

twoArms('dns: cancel ends what is under way', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  const r = resolverOf(arm, server, { timeout: 5000 });
  const ends = Promise.all([
    ask(say, 'resolve4', r, (_r, done) => r.resolve4('silent.test', done as never)),
    ask(say, 'resolveMx', r, (_r, done) => r.resolveMx('silent.test', done as never)),
    ask(say, 'reverse', r, (_r, done) => r.reverse('192.0.2.201', done as never)),
  ]);
  say('after asking');
  r.cancel();
  say('after cancel');
  await ends;
  r.cancel();
  await ask(say, 'again', r, (_r, done) => r.resolve4('a.test', done as never));
  await server.close();
});

twoArms('dns: a server that is silent: ETIMEOUT', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  await ask(say, 'silent', resolverOf(arm, server, { timeout: 30, tries: 1 }), (r, done) => r.resolve4('silent.test', done as never));
  await server.close();
});

twoArms('dns: nobody at the server\'s port: ECONNREFUSED', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  const r = resolverOf(arm, server, { timeout: 500, tries: 1 });
  await server.close();
  await ask(say, 'refused', r, (_r, done) => r.resolve4('a.test', done as never));
});

twoArms('dns: the second server, where the first is not there', async (arm, say) => {
  const [gone, server] = [await nameServer(arm, KNOWN), await nameServer(arm, KNOWN)];
  await gone.close();
  const r = new arm.dns.Resolver({ timeout: 500, tries: 2 });
  r.setServers([gone.at, server.at]);
  await ask(say, 'second', r, (_r, done) => r.resolve4('a.test', done as never));
  await server.close();
});

twoArms('dns: setLocalAddress decides where questions come from', async (arm, say) => {
  const server = await nameServer(arm, KNOWN);
  const r = resolverOf(arm, server);
  r.setLocalAddress('127.0.0.5');
  await ask(say, 'asked', r, (_r, done) => r.resolve4('a.test', done as never));
  say('from', server.from);
  attempt(say, 'bad', () => r.setLocalAddress('nonsense'));
  attempt(say, 'two of IPv4', () => r.setLocalAddress('127.0.0.1', '127.0.0.2'));
  attempt(say, 'two of IPv6', () => r.setLocalAddress('::1', '::2'));
  attempt(say, 'both', () => r.setLocalAddress('127.0.0.1', '::1'));
  attempt(say, 'a number', () => r.setLocalAddress(5 as never));
  await server.close();
});

const SERVERS: Readonly<Record<string, unknown>> = {
  'an IPv4 address': ['192.0.2.1'],
  'an IPv4 address and a port': ['192.0.2.1:5353'],
  'the usual port': ['192.0.2.1:53'],
  'an IPv6 address': ['2001:db8::1'],
  'an IPv6 address in brackets': ['[2001:db8::1]'],
  'an IPv6 address and a port': ['[2001:db8::1]:5353'],
  'IPv6 and the usual port': ['[2001:db8::1]:53'],
  'IPv6 in a long form': ['2001:0db8:0:0:0:0:0:1'],
  'several': ['192.0.2.1', '2001:db8::1', '192.0.2.2:99'],
  'none': [],
  'a name': ['dns.test'],
  'a bad port': ['192.0.2.1:x'],
  'a number': [5],
  'no array': '192.0.2.1',
  'nothing': undefined,
};

for (const [what, servers] of Object.entries(SERVERS)) {
  twoArms(`dns: setServers: ${what}`, ({ dns }, say) => {
    const r = new dns.Resolver();
    r.setServers(['192.0.2.99']);
    attempt(say, 'set', () => r.setServers(servers as string[]));
    say('servers', r.getServers());
    return Promise.resolve();
  });
}

twoArms('dns: options of a Resolver are checked', ({ dns }, say) => {
  for (const [what, options] of Object.entries({
    'timeout of -1': { timeout: -1 }, 'timeout of -2': { timeout: -2 }, 'timeout as text': { timeout: '1' },
    'timeout with a fraction': { timeout: 1.5 },
    'timeout too large': { timeout: 2 ** 31 }, 'tries of 0': { tries: 0 }, 'tries as text': { tries: 'x' }, 'tries of 1': { tries: 1 },
    'nothing': undefined, 'empty': {}, 'max timeout of -1': { maxTimeout: -1 }, 'max timeout of 100': { maxTimeout: 100 },
  })) {
    attempt(say, what, () => void new dns.Resolver(options as never));
    attempt(say, `${what} (promises)`, () => void new dns.promises.Resolver(options as never));
  }
  return Promise.resolve();
});

twoArms('dns: argument checks of the questions', ({ dns }, say) => {
  const r = new dns.Resolver();
  const nothing = (): void => undefined;
  const calls: Readonly<Record<string, () => unknown>> = {
    'no name': () => r.resolve4(undefined as never, nothing), 'a number': () => r.resolve4(5 as never, nothing),
    'no callback': () => r.resolve4('a.test', undefined as never),
    'no callback, with options': () => r.resolve4('a.test', { ttl: true }, undefined as never),
    'resolve without callback': () => r.resolve('a.test', 'A', undefined as never),
    'resolve with nothing': () => r.resolve('a.test', undefined as never),
    'reverse of a number': () => r.reverse(5 as never, nothing), 'reverse without callback': () => r.reverse('1.2.3.4', undefined as never),
    'any of null': () => r.resolveAny(null as never, nothing), 'mx of an object': () => r.resolveMx({} as never, nothing),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  for (const method of ['resolve4', 'resolve', 'reverse', 'resolveTxt'] as const) {
    attempt(say, `promises ${method}`, () => void dns.promises[method](5 as never).catch(nothing));
  }
  return Promise.resolve();
});

twoArms('dns: what the module and a Resolver have', ({ dns }, say) => {
  const names = (o: object): string => Object.keys(o).filter((key) => key !== 'default').sort().join();
  const constants = Object.keys(dns).filter((name) => /^[A-Z0-9_]+$/.test(name)).sort();
  say('constants', constants.map((name) => [name, Reflect.get(dns, name) as unknown]));
  say('functions', names(dns));
  say('promises', names(dns.promises));
  for (const r of [new dns.Resolver(), new dns.promises.Resolver()]) {
    const has = ['resolve', 'resolve4', 'resolveAny', 'resolveTlsa', 'reverse', 'cancel', 'getServers', 'setServers', 'setLocalAddress'];
    say('resolver', has.map((name) => typeof (r as unknown as Record<string, unknown>)[name]), r.constructor.name);
  }
  say('instance', new dns.Resolver() instanceof dns.Resolver);
  return Promise.resolve();
});
