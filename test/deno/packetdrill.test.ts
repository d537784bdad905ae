/** packetdrill scripts under Deno: the runner, with code and commands, and the command line, tell the same as on Node. */
import { packetdrillCommand } from '../../src/cli/packetdrill.ts';
import { formatResult, runPacketdrill } from '../../src/testing.ts';

const SCRIPT = `
\`sysctl -q net.ipv4.tcp_sack=1; for n in 1 2; do echo $n; done | grep -c . | grep -q 2\`
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0 bind(3, ..., ...) = 0
  +0 listen(3, 1) = 0
  +0 < S 0:0(0) win 65535 <mss 1000,sackOK,nop,nop>
  +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
 +.1 < . 1:1(0) ack 1 win 65535
  +0 accept(3, ..., ...) = 4
  +0...0.2 read(4, ..., 100) = 50
 +.2 < P. 1:51(50) ack 1 win 65535
  +0 > . 1:1(0) ack 51
  +0 %{ assert tcpi_snd_cwnd == 10 and [n for n in range(3)][-1] == 2, f'cwnd {tcpi_snd_cwnd}' }%
`;

Deno.test('a script passes in its three modes, and a wrong one fails', async () => {
  for (const r of await runPacketdrill(SCRIPT, { file: 'a.pkt' })) if (r.status !== 'ok') throw new Error(formatResult(r, true));
  const [bad] = await runPacketdrill(SCRIPT.replace('ack 51', 'ack 52'), { file: 'a.pkt', modes: ['ipv6'] });
  if (bad!.message !== 'ack: 52 wanted, got 51' || bad!.line !== 12) throw new Error(formatResult(bad!));
});

Deno.test('kernet packetdrill reads files and directories', async () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dir}/good.pkt`, SCRIPT);
    Deno.writeTextFileSync(`${dir}/bad.pkt`, SCRIPT.replace('= 50', '= 51'));
    const lines: string[] = [];
    const code = await packetdrillCommand(['--json', `${dir}/out.json`, '--pcapng', `${dir}/pcap`, dir], (line) => void lines.push(line));
    if (code !== 1 || lines.at(-1) !== '3 passed, 3 failed, 0 skipped') throw new Error(lines.join('\n'));
    const results = JSON.parse(Deno.readTextFileSync(`${dir}/out.json`)) as { status: string }[];
    if (results.length !== 6 || Deno.statSync(`${dir}/pcap/good-ipv4.pcapng`).size === 0) throw new Error('no results were written');
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
