// A small name server for both arms: records and failures by name, over UDP and TCP of the arm's own modules, on 127.0.0.1.
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import type { Resolver } from 'node:dns';
import { once } from 'node:events';
import type nodeNet from 'node:net';
import type { Arm } from './arms.ts';

/** What is known, by lower-case name: records, or an rcode in place of them. */
export type Known = Readonly<Record<string, readonly Answer[] | number>>;

/** A name server that is running. */
export interface TestServer {
  /** For setServers(). */
  readonly at: string;
  /** Questions that came, such as `A www.test`. */
  readonly asked: string[];
  /** The addresses that they came from. */
  readonly from: string[];
  close(): Promise<void>;
}

/** Only the records of the type, and aliases on the way to them. */
function answering(records: readonly Answer[], type: string): Answer[] {
  return records.filter((r) => type === 'ANY' || (r.type as string) === type || (r.type === 'CNAME' && type !== 'CNAME'));
}

/** The answer to one message; names that begin with `silent` get none, with `cut` a truncated one over UDP. */
function reply(bytes: Buffer, known: Known, asked: string[], isTcp: boolean): Buffer | null {
  const query = dnsPacket.decode(bytes) as Packet & { id: number };
  const question = query.questions![0]!;
  const name = question.name.toLowerCase();
  asked.push(`${question.type} ${name}`);
  if (name.startsWith('silent')) return null;
  const found = known[name];
  const rcode = typeof found === 'number' ? found : found === undefined ? 3 : 0;
  const isCut = name.startsWith('cut') && !isTcp;
  const aliased = typeof found === 'object' ? answering(found, question.type) : [];
  return dnsPacket.encode({
    type: 'response', id: query.id, flags: (dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (isCut ? 0x200 : 0)) | rcode,
    questions: [question], answers: isCut ? [] : aliased,
  });
}

/** Starts it. */
export async function nameServer({ dgram, net }: Pick<Arm, 'dgram' | 'net'>, known: Known): Promise<TestServer> {
  const asked: string[] = [];
  const from: string[] = [];
  const tcp = net.createServer((socket) => {
    let got = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      got = Buffer.concat([got, data]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      const answer = reply(got.subarray(2, 2 + got.readUInt16BE(0)), known, asked, true);
      got = Buffer.alloc(0);
      if (answer === null) return;
      const head = Buffer.alloc(2);
      head.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([head, answer]));
    });
    sockets.add(socket);
  });
  const sockets = new Set<nodeNet.Socket>();
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as nodeNet.AddressInfo;
  const udp = dgram.createSocket('udp4');
  udp.on('message', (bytes, sender) => {
    from.push(sender.address);
    const answer = reply(bytes, known, asked, false);
    if (answer !== null) udp.send(answer, sender.port, sender.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  return {
    at: `127.0.0.1:${String(port)}`, asked, from,
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      udp.close();
      tcp.close();
      await Promise.all([once(udp, 'close'), once(tcp, 'close')]);
    },
  };
}

/** A resolver of the arm that asks `server`. */
export function resolverOf({ dns }: Pick<Arm, 'dns'>, server: TestServer, options: object = {}): Resolver {
  const resolver = new dns.Resolver(options);
  resolver.setServers([server.at]);
  return resolver;
}
