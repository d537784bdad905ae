/**
 * Five nodes elect a leader by majority, for the time of a lease. A partition takes the leader and one other away from the rest.
 * While a lease ends before the voters' promises do, there is never more than one leader; one who believes for three seconds
 * what he was told once is a second one: a split brain. Then the partition heals, and in the end there is one.
 *
 *   node --import tsx examples/15-split-brain.ts
 */
import { AF_INET, SOCK_DGRAM, World, type Host } from '../mod.ts';

const [PROMISE, ROUND] = [600, 150]; // milliseconds that a voter's promise holds; who leads, or wants to, asks that often
interface Message { readonly kind: 'ask' | 'vote'; readonly from: string; readonly at: number }

async function story(lease: number): Promise<string> {
  const world = new World({ seed: 15 });
  const { hosts } = world.star(5, { cable: { delay: '2ms', jitter: '1ms' } });
  const until = new Map(hosts.map(({ name }) => [name, 0])); // how long each believes that it leads
  const leads = ({ name }: Host): boolean => until.get(name)! > world.now;
  const tell = (text: string): void => console.log(`${(world.now / 1000).toFixed(3)}  ${text}`);
  async function node(self: Host, rank: number): Promise<void> {
    const [{ name, kernel }, fd] = [self, self.kernel.socket(AF_INET, SOCK_DGRAM)];
    kernel.bind(fd, { port: 7000 });
    const say = (to: Host, message: Message): number => kernel.sys.sendto(fd, JSON.stringify(message), { address: to.ip, port: 7000 });
    let [promisedTo, promise, asked, votes, led] = ['', 0, 0, new Set<string>(), false];
    async function hear(buffer: Uint8Array): Promise<never> {
      for (;;) {
        const { kind, from, at } = JSON.parse(new TextDecoder().decode(buffer.subarray(0, await kernel.read(fd, buffer)))) as Message;
        if (kind === 'ask' && (promise <= world.now || (promisedTo === from && (from !== name || leads(self))))) {
          [promisedTo, promise] = [from, world.now + PROMISE];
          say(hosts.find((host) => host.name === from)!, { kind: 'vote', from: name, at });
        } else if (kind === 'vote' && at === asked && votes.add(from).size === 3) {
          if (!leads(self)) tell(`${name} leads, by the votes of ${[...votes].join(', ')}`);
          until.set(name, at + lease);
        }
      }
    }
    void hear(new Uint8Array(500));
    for (await kernel.sleep(20 * rank); ; await kernel.sleep(ROUND + 7 * rank)) {
      if (led && !leads(self)) tell(`${name} leads no more: its lease is over`);
      led = leads(self);
      if (!led && promise > world.now) continue;
      [asked, votes] = [world.now, new Set()];
      for (const to of hosts) say(to, { kind: 'ask', from: name, at: asked });
    }
  }
  return world.run(async () => {
    const believe = (): string => `leads by its own belief: ${hosts.filter(leads).map(({ name }) => name).join(' and ') || 'nobody'}`;
    hosts.forEach((host, rank) => void node(host, rank));
    await hosts[0]!.kernel.sleep('2s');
    const few = [...hosts.filter(leads), hosts.find((host) => !leads(host))!];
    tell(`partition: ${few.map(({ name }) => name).join(' and ')} on one side, three on the other`);
    world.partition(few, hosts.filter((host) => !few.includes(host)));
    await hosts[0]!.kernel.sleep('2s');
    tell(`${believe()}; the partition heals`);
    world.heal();
    await hosts[0]!.kernel.sleep('3s');
    return believe();
  }).finally(() => world.stop());
}

for (const lease of [500, 3000]) console.log(`with a lease of ${String(lease)} ms, in the end ${await story(lease)}\n`);
