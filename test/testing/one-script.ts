/** One script in one mode, for tests of the packetdrill runner. */
import { runPacketdrill, type PacketdrillResult } from '../../src/testing.ts';

/** A server with an accepted connection, fd 4. */
export const SERVER = `
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0 bind(3, ..., ...) = 0
  +0 listen(3, 1) = 0
  +0 < S 0:0(0) win 65535 <mss 1000>
  +0 > S. 0:0(0) ack 1 <...>
  +0 < . 1:1(0) ack 1 win 65535
  +0 accept(3, ..., ...) = 4
`;

export async function one(text: string, options: readonly (readonly [string, string])[] = []): Promise<PacketdrillResult> {
  const [result] = await runPacketdrill(text, { file: 'a.pkt', modes: ['ipv4'], options });
  return result!;
}
