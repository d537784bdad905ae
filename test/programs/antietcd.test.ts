/**
 * antietcd, an etcd whose nodes agree by TinyRaft over http and ws: an election, replication, the leader's crash, a split network.
 * In each story no term has two leaders, and what a client was told to be written is there when the trouble is over.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Random } from '../../src/lib/random.ts';
import { fault, program, within, ROUGH, ROUGH_RTT, type Stage } from './harness.ts';

type State = 'leader' | 'follower' | 'candidate';

/** What is used of antietcd: its types name others that it does not bring along. */
interface AntiEtcd {
  readonly server: { close(): void; closeAllConnections(): void };
  readonly clients: Record<string, { readonly socket: { terminate(): void } }>;
  readonly cluster: { readonly raft: { readonly state: State; readonly term: number; readonly leader: string; stop(): void } };
  readonly cfg: { cluster: Record<string, string> };
  start(): Promise<void>;
  stop(): Promise<void>;
  on(event: 'raftchange', listener: (change: { state: State; term: number }) => void): void;
}

const require = createRequire(import.meta.url);
const AntiEtcdClass = require('antietcd') as new (config: object) => AntiEtcd;
const TinyRaft = require('tinyraft') as Record<'setTimeout' | 'setInterval' | 'clearTimeout' | 'clearInterval', unknown>;

/** Milliseconds, as the options of antietcd have them; the library's own defaults. */
const ELECTION = 5000;
const HEARTBEAT = 1000;
/** A leader that no majority answers gives up after this. */
const LEADERSHIP = (ELECTION + HEARTBEAT) / 2;
/** A request waits so long for a majority, then it is refused: sooner than its client gives up. */
const QUORUM = 2000;
const CLIENT = 10_000;
/** After a split, bytes are sent again within a backed-off retransmission timeout; then who was alone takes over what the others have. */
const CAUGHT_UP = 120_000;
/** An election is won within a few rounds, of at most two election timeouts each. */
const ELECTED = 6 * 2 * ELECTION;

/** The nodes of a cluster, what they went through, and what clients were told. */
class Cluster {
  readonly stage: Stage;
  readonly names: readonly string[];
  readonly running: Map<string, AntiEtcd> = new Map();
  /** Who led, by term. */
  readonly leaders: Map<number, Set<string>> = new Map();
  /** Writes that were acknowledged. */
  readonly written: Map<string, string> = new Map();

  constructor(stage: Stage, size: number) {
    this.stage = stage;
    this.names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    stage.lan([...this.names, 'user']);
    // The library takes its timers when it is loaded, before the world's clock is there; it lets others be put in their place.
    TinyRaft.setTimeout = setTimeout;
    TinyRaft.setInterval = setInterval;
    TinyRaft.clearTimeout = clearTimeout;
    TinyRaft.clearInterval = clearInterval;
    // Elections begin at moments that it draws: of the story's seed, so that the story can be told again.
    const { random } = Math;
    const chance = Random.stream(stage.world.seed, 'elections');
    Math.random = () => chance.float();
    stage.after(() => void (Math.random = random));
    const { error } = console;
    console.error = () => undefined; // it prints each connection that breaks
    stage.after(() => void (console.error = error));
    stage.after(() => this.names.forEach((name) => this.end(name)));
  }

  host(name: string): Stage['server'] {
    return this.stage.world.hosts.find((host) => host.name === name)!;
  }

  async start(...names: string[]): Promise<void> {
    const cluster = Object.fromEntries(this.names.map((name) => [name, `http://${name}:2379`]));
    for (const name of names) {
      await this.host(name).run(async () => {
        const node = new AntiEtcdClass({ node_id: name, cluster_key: 'secret', cluster, port: 2379, wait_quorum_timeout: QUORUM });
        node.on('raftchange', ({ state, term }) => void (state === 'leader' && this.led(name, term)));
        this.running.set(name, node);
        await node.start();
      });
    }
  }

  private led(name: string, term: number): void {
    this.leaders.set(term, (this.leaders.get(term) ?? new Set()).add(name));
  }

  /** The process of a node ends: JavaScript goes on, so it is taken what it would go on with. */
  end(name: string): void {
    const node = this.running.get(name);
    if (node === undefined) return;
    this.running.delete(name);
    node.cfg.cluster = {}; // whom to connect to again
    node.cluster.raft.stop();
    void node.stop();
    for (const { socket } of Object.values(node.clients)) socket.terminate();
    node.server.close();
    node.server.closeAllConnections();
  }

  /** The one leader that more than half of `names` follow; waits for it. */
  async leader(names: readonly string[] = this.names): Promise<string> {
    const until = this.stage.elapsed() + ELECTED;
    while (this.stage.elapsed() < until) {
      for (const name of names) {
        const raft = this.running.get(name)?.cluster.raft;
        if (raft?.state !== 'leader') continue;
        const follow = names.filter((other) => {
          const theirs = this.running.get(other)?.cluster.raft;
          return theirs?.leader === name && theirs.term === raft.term && theirs.state !== 'candidate';
        });
        if (follow.length > this.names.length / 2) return name;
      }
      await this.stage.sleep(100);
    }
    return assert.fail(`no leader within ${ELECTED} ms: ${names.map((name) => this.running.get(name)?.cluster.raft.state).join(', ')}`);
  }

  /** A request by HTTP, from the user's host to a node: status 0 when there was no answer. */
  async ask(node: string, path: string, body: object): Promise<{ status: number; json: Record<string, unknown> }> {
    const user = this.host('user');
    try {
      const headers = { 'content-type': 'application/json', connection: 'close' };
      const url = `http://${node}:2379/v3/kv/${path}`;
      const init = { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(CLIENT) };
      const res = await user.run(() => fetch(url, init));
      const text = await res.text();
      return { status: res.status, json: res.ok ? JSON.parse(text) as Record<string, unknown> : {} };
    } catch {
      return { status: 0, json: {} };
    }
  }

  /** One try to write: true when it was acknowledged. */
  async put(node: string, key: string, value: string): Promise<boolean> {
    const { status } = await this.ask(node, 'put', { key: base64(key), value: base64(value) });
    if (status === 200) this.written.set(key, value);
    return status === 200;
  }

  /** Writes with as many tries as it takes, at one node after the other: what any client does that is told to try again. */
  async write(nodes: readonly string[], key: string, value: string): Promise<void> {
    for (let i = 0; i < 30; i++) {
      if (await this.put(nodes[i % nodes.length]!, key, value)) return;
      await this.stage.sleep(500);
    }
    assert.fail(`${key} could not be written`);
  }

  /** Every node tells all that was acknowledged; and no term had two leaders. */
  async agree(names: readonly string[] = this.names): Promise<void> {
    await this.leader(names);
    assert.ok(this.leaders.size > 0);
    for (const [term, who] of this.leaders) assert.equal(who.size, 1, `the leaders of term ${term}: ${[...who].join(', ')}`);
    for (const name of names) {
      for (const [key, value] of this.written) {
        await this.until(`${key} is ${value} at ${name}`, async () => await this.read(name, key) === value);
      }
    }
  }

  /** What a node tells; undefined when it refuses, null when there is nothing. */
  async read(name: string, key: string): Promise<string | null | undefined> {
    const { status, json } = await this.ask(name, 'range', { key: base64(key) });
    if (status !== 200) return undefined;
    const found = (json['kvs'] as { value: string }[] | undefined)?.[0];
    return found === undefined ? null : Buffer.from(found.value, 'base64').toString();
  }

  /** Asks again until it is so. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const end = this.stage.elapsed() + CAUGHT_UP;
    while (!await isSo()) {
      assert.ok(this.stage.elapsed() < end, what);
      await this.stage.sleep(250);
    }
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

program('antietcd: three nodes elect a leader and replicate what any of them is told', {
  random: 'Sec-WebSocket-Key and the masks of frames are drawn by crypto', calmMs: [1, ELECTED], roughMs: [10 * ROUGH_RTT, 2 * ELECTED],
}, async (stage) => {
  const cluster = new Cluster(stage, 3);
  await cluster.start(...cluster.names);
  await cluster.leader();
  for (let i = 0; i < 9; i++) {
    const node = cluster.names[i % 3]!;
    await cluster.write([node], `key ${i}`, `told to ${node}`);
  }
  await cluster.agree();
  assert.equal(cluster.written.size, 9);
});

for (const [weather, options] of [['at no loss', {}], ['at 3 % loss and 40 ms delay', { cable: ROUGH, seed: 2 }]] as const) {
  fault(`antietcd: a leader that loses power is followed by another, and knows all when it is back, ${weather}`, async (stage) => {
    const cluster = new Cluster(stage, 3);
    await cluster.start(...cluster.names);
    const first = await cluster.leader();
    const { term } = cluster.running.get(first)!.cluster.raft;
    for (let i = 0; i < 5; i++) await cluster.write(cluster.names, `before ${i}`, 'yes');
    const writes = Array.from({ length: 5 }, (_, i) => cluster.put(first, `meanwhile ${i}`, 'maybe'));
    await stage.sleep(options.cable === undefined ? 1 : 100);
    cluster.host(first).crash();
    const begun = stage.elapsed();
    cluster.end(first);
    await Promise.all(writes);

    const others = cluster.names.filter((name) => name !== first);
    const second = await cluster.leader(others);
    within(stage.elapsed() - begun, [0, ELECTED]);
    assert.ok(cluster.running.get(second)!.cluster.raft.term > term, 'in a later term');
    for (let i = 0; i < 5; i++) await cluster.write(others, `after ${i}`, 'yes');
    await cluster.agree(others);

    cluster.host(first).boot(); // with nothing in its memory
    await cluster.start(first);
    await cluster.agree();
    assert.ok(cluster.written.size >= 10);
  }, options);

  fault(`antietcd: of a split cluster of five, three go on and two refuse; when it heals, all agree, ${weather}`, async (stage) => {
    const cluster = new Cluster(stage, 5);
    await cluster.start(...cluster.names);
    const old = await cluster.leader();
    for (let i = 0; i < 3; i++) await cluster.write(cluster.names, `before ${i}`, 'yes');

    const rest = cluster.names.filter((name) => name !== old);
    const [few, many] = [[old, rest[0]!], rest.slice(1)];
    const hosts = (names: readonly string[]): Stage['server'][] => names.map((name) => cluster.host(name));
    stage.world.partition(hosts(few), hosts(many));
    const lost = await cluster.put(old, 'split', 'the old leader\'s');
    assert.equal(lost, false, 'no majority, no acknowledgement');
    await cluster.leader(many);
    await stage.sleep(2 * LEADERSHIP);
    assert.notEqual(cluster.running.get(old)!.cluster.raft.state, 'leader', 'it has found out that nobody follows');
    for (let i = 0; i < 3; i++) await cluster.write(many, `during ${i}`, 'yes');
    assert.equal(await cluster.put(few[1]!, 'split', 'the minority\'s'), false);

    stage.world.heal();
    await cluster.agree();
    await cluster.write([old], 'after', 'yes');
    await cluster.agree();
    // What nobody was told to be written may have been carried out late, as after any timeout; but then it is everywhere.
    await cluster.until('all tell the same of what was refused', async () => {
      const told = await Promise.all(cluster.names.map((name) => cluster.read(name, 'split')));
      return told[0] !== undefined && told.every((value) => value === told[0]);
    });
    assert.equal(cluster.written.size, 7);
  }, options);
}
