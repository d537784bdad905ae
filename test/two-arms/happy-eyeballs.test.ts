// Several addresses for one name (RFC 8305): attempts, their events, their errors.
import { once } from 'node:events';
import type net from 'node:net';
import { attempt, closed, listening, shut, twoArms, type Say } from './arms.ts';

interface Address {
  readonly address: string;
  readonly family: number;
}

/** A lookup function that answers these addresses. */
function answering(list: readonly Address[], say?: Say): net.LookupFunction {
  return ((name: string, options: { all?: boolean }, callback: (error: Error | null, ...rest: unknown[]) => void) => {
    say?.('asked', name, options.all);
    if (options.all === true) callback(null, list);
    else callback(null, list[0]!.address, list[0]!.family);
  }) as unknown as net.LookupFunction;
}

const SIX: Address = { address: '::1', family: 6 };
const FOUR: Address = { address: '127.0.0.1', family: 4 };
const OTHER: Address = { address: '127.0.0.9', family: 4 };

const EVENTS = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout', 'connect', 'ready', 'close'];

/** Says the events, without ports. */
function follow(say: Say, c: net.Socket): void {
  for (const event of EVENTS) c.on(event, (...args: unknown[]) => say(event, ...args.filter((a) => typeof a !== 'number' || a < 1000)));
  c.on('error', (e: AggregateError & NodeJS.ErrnoException) => {
    say('error', e.name, e.code, e.message.replaceAll(/\d{4,5}/g, '<port>'));
    for (const one of e.errors ?? []) say('one', one);
  });
}

/** Without ports: those of servers are chosen by the system. */
function attempted(c: net.Socket): string {
  return String(c.autoSelectFamilyAttemptedAddresses?.map((a) => a.replace(/:\d+$/, '')));
}

const LISTS: Readonly<Record<string, readonly Address[]>> = {
  'the first answers': [FOUR, SIX],
  'IPv6 refuses, IPv4 answers': [SIX, FOUR],
  'two refuse, the third answers': [SIX, OTHER, FOUR],
  'one address only': [FOUR],
  'the same address twice': [FOUR, FOUR],
  'families take turns': [OTHER, FOUR, SIX],
};

for (const [what, list] of Object.entries(LISTS)) {
  twoArms(`happy eyeballs: ${what}`, async ({ net: n }, say) => {
    const server = n.createServer((s) => s.end('x'));
    const port = await listening(server);
    const c = n.connect({ port, host: 'example.test', autoSelectFamily: true, lookup: answering(list, say) });
    follow(say, c);
    c.resume();
    c.on('connect', () => say('remote', c.remoteAddress, attempted(c)));
    await closed(c);
    await shut(server);
  });
}

const REFUSED: Readonly<Record<string, readonly Address[]>> = {
  'both families refuse': [SIX, FOUR],
  'three refuse': [SIX, FOUR, OTHER],
  'one refuses': [FOUR],
};

for (const [what, list] of Object.entries(REFUSED)) {
  twoArms(`happy eyeballs: ${what}`, async ({ net: n }, say) => {
    const c = n.connect({ port: 1, host: 'example.test', autoSelectFamily: true, lookup: answering(list) });
    follow(say, c);
    await closed(c);
    say('state', attempted(c), c.connecting, c.destroyed);
  });
}

twoArms('happy eyeballs: the next attempt begins when one is refused, not when its time is up', async ({ net: n }, say) => {
  const server = n.createServer((s) => s.end('x'));
  const port = await listening(server);
  // The first attempt is refused at once, long before its time is up.
  const lookup = answering([OTHER, FOUR]);
  const c = n.connect({ port, host: 'x.test', autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 1000, lookup });
  follow(say, c);
  c.resume();
  await closed(c);
  await shut(server);
});

twoArms('happy eyeballs: switched off, the first address is all there is', async ({ net: n }, say) => {
  const c = n.connect({ port: 1, host: 'example.test', autoSelectFamily: false, lookup: answering([SIX, FOUR], say) });
  follow(say, c);
  await closed(c);
});

twoArms('happy eyeballs: lookup fails', async ({ net: n }, say) => {
  const c = n.connect({
    port: 1, host: 'example.test', autoSelectFamily: true,
    lookup: (_name, _options, callback) => callback(Object.assign(new Error('no'), { code: 'EAI_AGAIN' }), '', 0),
  });
  follow(say, c);
  await closed(c);
});

twoArms('happy eyeballs: destroyed between two attempts', async ({ net: n, rest }, say) => {
  const c = n.connect({ port: 1, host: 'example.test', autoSelectFamily: true, lookup: answering([SIX, FOUR]) });
  follow(say, c);
  c.once('connectionAttemptFailed', () => c.destroy());
  await closed(c);
  await rest();
});

twoArms('happy eyeballs: a local address decides the family', async ({ net: n }, say) => {
  const server = n.createServer((s) => s.end('x'));
  const port = await listening(server);
  const c = n.connect({ port, host: 'x.test', autoSelectFamily: true, localAddress: '127.0.0.1', lookup: answering([SIX, FOUR]) });
  follow(say, c);
  c.resume();
  await closed(c);
  await shut(server);
});

twoArms('happy eyeballs: localhost with a server on each family', async ({ net: n }, say) => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = n.createServer((s) => s.end(host));
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const c = n.connect({ port, host: 'x.test', autoSelectFamily: true, lookup: answering([SIX, FOUR]) });
    c.on('data', (d) => say('client data', String(d)));
    await closed(c);
    await shut(server);
  }
});

twoArms('happy eyeballs: the defaults can be read and set, and are checked', ({ net: n }, say) => {
  const [on, ms] = [n.getDefaultAutoSelectFamily(), n.getDefaultAutoSelectFamilyAttemptTimeout()];
  say('defaults', on, ms);
  attempt(say, 'text', () => n.setDefaultAutoSelectFamily('x' as never));
  attempt(say, 'zero', () => n.setDefaultAutoSelectFamilyAttemptTimeout(0));
  attempt(say, 'text', () => n.setDefaultAutoSelectFamilyAttemptTimeout('x' as never));
  n.setDefaultAutoSelectFamilyAttemptTimeout(1);
  say('at least', n.getDefaultAutoSelectFamilyAttemptTimeout());
  n.setDefaultAutoSelectFamilyAttemptTimeout(ms);
  return Promise.resolve();
});
