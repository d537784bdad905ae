// dns.lookup, lookupService and the order of answers: what both arms have in their hosts files is localhost.
import type dns from 'node:dns';
import { attempt, settled, twoArms, type Say } from './arms.ts';

type Dns = typeof dns;
type Done = (error: Error | null, ...rest: unknown[]) => void;

async function look(say: Say, what: string, call: (done: Done) => unknown): Promise<void> {
  await new Promise<void>((resolve) => {
    try {
      call((error, ...rest) => {
        say(what, error, ...rest);
        resolve();
      });
    } catch (error) {
      say(what, 'threw', error);
      resolve();
    }
  });
}

const LOOKUPS: Readonly<Record<string, (d: Dns, done: never) => unknown>> = {
  'an IPv4 address': (d, done) => d.lookup('192.0.2.1', done),
  'an IPv6 address': (d, done) => d.lookup('2001:db8::1', done),
  'an address, all': (d, done) => d.lookup('192.0.2.1', { all: true }, done),
  'an IPv4 address of family 6': (d, done) => d.lookup('192.0.2.1', { family: 6 }, done),
  'an IPv6 address of family 4, all': (d, done) => d.lookup('::1', { family: 4, all: true }, done),
  'localhost, family 4': (d, done) => d.lookup('localhost', 4, done),
  'localhost, IPv4': (d, done) => d.lookup('localhost', { family: 'IPv4' }, done),
  'localhost, family 4, all': (d, done) => d.lookup('localhost', { family: 4, all: true }, done),
  'localhost, ipv4first': (d, done) => d.lookup('localhost', { order: 'ipv4first' } as never, done),
  'localhost, not verbatim': (d, done) => d.lookup('localhost', { verbatim: false }, done),
  'a name that nobody knows': (d, done) => d.lookup('no-such-host.invalid', done),
  'the same, all': (d, done) => d.lookup('no-such-host.invalid', { all: true }, done),
  'the same, family 6': (d, done) => d.lookup('no-such-host.invalid', 6, done),
  'an empty name': (d, done) => d.lookup('', done),
  'an empty name, family 6': (d, done) => d.lookup('', 6, done),
  'an empty name, all': (d, done) => d.lookup('', { all: true }, done),
  'null': (d, done) => d.lookup(null as never, done),
  'undefined options': (d, done) => d.lookup('192.0.2.1', undefined as never, done),
  'null options': (d, done) => d.lookup('192.0.2.1', null as never, done),
};

for (const [what, call] of Object.entries(LOOKUPS)) {
  twoArms(`dns.lookup: ${what}`, async ({ dns: d }, say) => {
    await look(say, what, (done) => call(d, done as never));
  });
}

twoArms('dns.lookup: wrong arguments: code, name and message', ({ dns: d }, say) => {
  const nothing = (): void => undefined;
  const calls: Readonly<Record<string, () => unknown>> = {
    'a number': () => d.lookup(5 as never, nothing),
    'an object': () => d.lookup({} as never, nothing),
    'true': () => d.lookup(true as never, nothing),
    'no callback': () => d.lookup('x', undefined as never),
    'no callback, options': () => d.lookup('x', {}, undefined as never),
    'a callback that is none': () => d.lookup('x', 4, 'y' as never),
    'family 5': () => d.lookup('x', 5, nothing),
    'family 5 as option': () => d.lookup('x', { family: 5 }, nothing),
    'family as text': () => d.lookup('x', { family: '4' } as never, nothing),
    'options as text': () => d.lookup('x', 'y' as never, nothing),
    'options of true': () => d.lookup('x', true as never, nothing),
    'hints that do not exist': () => d.lookup('x', { hints: 1 << 20 }, nothing),
    'hints as text': () => d.lookup('x', { hints: 'x' as never }, nothing),
    'all as text': () => d.lookup('x', { all: 'yes' as never }, nothing),
    'verbatim as text': () => d.lookup('x', { verbatim: 'yes' as never }, nothing),
    'order that is none': () => d.lookup('x', { order: 'mine' } as never, nothing),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  return Promise.resolve();
});

twoArms('dns.lookup: promises', async ({ dns: { promises: d } }, say) => {
  await settled(say, 'address', () => d.lookup('192.0.2.1'));
  await settled(say, 'all', () => d.lookup('192.0.2.1', { all: true }));
  await settled(say, 'localhost', () => d.lookup('localhost', 4));
  await settled(say, 'localhost, all', () => d.lookup('localhost', { family: 4, all: true }));
  await settled(say, 'nobody', () => d.lookup('no-such-host.invalid'));
  await settled(say, 'empty', () => d.lookup(''));
  await settled(say, 'empty, all', () => d.lookup('', { all: true }));
  attempt(say, 'a number', () => void d.lookup(5 as never).catch(() => undefined));
  attempt(say, 'family 5', () => void d.lookup('x', { family: 5 }).catch(() => undefined));
  attempt(say, 'options as text', () => void d.lookup('x', 'y' as never).catch(() => undefined));
});

twoArms('dns.lookup never answers at once, and in a tick when it knows', async ({ dns: d }, say) => {
  await new Promise<void>((resolve) => {
    d.lookup('192.0.2.1', () => {
      say('answer');
      resolve();
    });
    process.nextTick(() => say('tick'));
    say('after');
  });
});

twoArms('dns.lookupService: of 127.0.0.1', async ({ dns: d }, say) => {
  await look(say, 'ssh', (done) => d.lookupService('127.0.0.1', 22, done));
  await look(say, 'http', (done) => d.lookupService('127.0.0.1', 80, done));
  await settled(say, 'promise', () => d.promises.lookupService('127.0.0.1', 22));
});

twoArms('dns.lookupService: wrong arguments', ({ dns: d }, say) => {
  const nothing = (): void => undefined;
  const calls: Readonly<Record<string, () => unknown>> = {
    'a name': () => d.lookupService('x', 80, nothing),
    'a number': () => d.lookupService(5 as never, 80, nothing),
    'a port too large': () => d.lookupService('127.0.0.1', 65536, nothing),
    'a port as a word': () => d.lookupService('127.0.0.1', 'x' as never, nothing),
    'a port of null': () => d.lookupService('127.0.0.1', null as never, nothing),
    'no callback': () => d.lookupService('127.0.0.1', 80, undefined as never),
    'two arguments': () => (d.lookupService as (...args: unknown[]) => unknown)('127.0.0.1', 80),
    'promises, a name': () => void d.promises.lookupService('x', 80).catch(nothing),
    'promises, one argument': () => void (d.promises.lookupService as (...args: unknown[]) => Promise<unknown>)('127.0.0.1').catch(nothing),
    'promises, a bad port': () => void d.promises.lookupService('127.0.0.1', -1).catch(nothing),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  return Promise.resolve();
});

twoArms('dns: the default order can be read and set, and is checked', ({ dns: d }, say) => {
  const before = d.getDefaultResultOrder();
  say('before', before, d.promises.getDefaultResultOrder());
  for (const order of ['ipv4first', 'ipv6first', 'verbatim', 'mine', 5, undefined]) {
    attempt(say, String(order), () => d.setDefaultResultOrder(order as never));
    say('is', d.getDefaultResultOrder(), d.promises.getDefaultResultOrder());
    attempt(say, `promises ${String(order)}`, () => d.promises.setDefaultResultOrder(order as never));
  }
  d.setDefaultResultOrder(before);
  return Promise.resolve();
});
