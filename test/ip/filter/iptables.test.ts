/** iptables lines: what they become, and what is said about those that do not parse. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel, World } from '../../../mod.ts';

/** [table, what is written behind -A CHAIN, what -S prints; the same when left out]. */
const LINES: readonly (readonly [string, string, string, string?])[] = [
  ['filter', 'INPUT', '-j DROP'],
  ['filter', 'INPUT', '-p tcp --dport 80 -j DROP', '-p tcp -m tcp --dport 80 -j DROP'],
  ['filter', 'INPUT', '-p 6 --destination-port http -j DROP', '-p tcp -m tcp --dport 80 -j DROP'],
  ['filter', 'INPUT', '-s 10.1.2.3/8 ! -d 10.0.0.0/255.255.0.0 -i eth+ -j ACCEPT', '-s 10.0.0.0/8 ! -d 10.0.0.0/16 -i eth+ -j ACCEPT'],
  ['filter', 'INPUT', '-s ! 10.0.0.1 -j ACCEPT', '! -s 10.0.0.1/32 -j ACCEPT'],
  ['filter', 'INPUT', '-s 10.0.0.0/255.0.255.0', '-s 10.0.0.0/255.0.255.0'],
  ['filter', 'FORWARD', '! -i eth0 -o eth1 ! -p udp', '! -i eth0 -o eth1 ! -p udp'],
  ['filter', 'INPUT', '-f -j DROP'],
  ['filter', 'INPUT', '! -f -j DROP'],
  ['filter', 'INPUT',
    '-p tcp -m tcp ! --sport 1024:65535 --tcp-flags ALL NONE',
    '-p tcp -m tcp ! --sport 1024:65535 --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE'],
  ['filter', 'INPUT', '-p tcp --syn -j DROP', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP'],
  ['filter', 'INPUT', '-p tcp ! --syn -j DROP', '-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP'],
  ['filter', 'INPUT', '-p tcp --tcp-option 8', '-p tcp -m tcp --tcp-option 8'],
  ['filter', 'INPUT', '-p udp --sport :1023 --dport 1024:', '-p udp -m udp --sport 0:1023 --dport 1024:65535'],
  ['filter', 'INPUT', '-p icmp --icmp-type echo-request -j DROP', '-p icmp -m icmp --icmp-type 8 -j DROP'],
  ['filter', 'INPUT', '-p icmp ! --icmp-type 3/4', '-p icmp -m icmp ! --icmp-type 3/4'],
  ['filter', 'INPUT', '-p icmp --icmp-type any', '-p icmp -m icmp --icmp-type any'],
  ['filter', 'INPUT', '-p tcp -m multiport --dports 80,443,8000:8080 -j ACCEPT'],
  ['filter', 'INPUT', '-p udp -m multiport ! --ports 53', '-p udp -m multiport ! --ports 53'],
  ['filter', 'INPUT', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'],
  ['filter', 'INPUT',
    '-m conntrack ! --ctstate INVALID --ctproto 6 --ctorigdst 10.0.0.1 --ctorigdstport 80 --ctstatus ASSURED --ctdir ORIGINAL',
    '-m conntrack ! --ctstate INVALID --ctproto 6 --ctorigdst 10.0.0.1/32 --ctorigdstport 80 --ctstatus ASSURED --ctdir ORIGINAL'],
  ['filter', 'INPUT', '-m state --state NEW -j DROP'],
  ['filter', 'INPUT', '-m limit -j LOG', '-m limit --limit 3/hour -j LOG'],
  ['filter', 'INPUT', '-m limit --limit 10/s --limit-burst 20 -j ACCEPT', '-m limit --limit 10/second --limit-burst 20 -j ACCEPT'],
  ['filter', 'INPUT', '-m mark ! --mark 0x10/0xf0 -j DROP'],
  ['filter', 'INPUT', '-m connmark --mark 7', '-m connmark --mark 0x7'],
  ['filter', 'INPUT', '-m statistic --mode random --probability 0.25 -j DROP',
    '-m statistic --mode random --probability 0.25000000000 -j DROP'],
  ['filter', 'INPUT', '-m statistic --mode nth --every 3 -j DROP', '-m statistic --mode nth --every 3 --packet 0 -j DROP'],
  ['filter', 'INPUT', '-m length --length 0:100 -m ttl --ttl-lt 5 -m tos --tos Minimize-Delay -m dscp --dscp-class EF -j DROP',
    '-m length --length 0:100 -m ttl --ttl-lt 5 -m tos --tos 0x10/0x3f -m dscp --dscp 0x2e -j DROP'],
  ['filter', 'INPUT', '-m mac --mac-source 02:AA:00:00:00:01 -m addrtype --dst-type LOCAL,BROADCAST -m pkttype --pkt-type unicast',
    '-m mac --mac-source 02:aa:00:00:00:01 -m addrtype --dst-type LOCAL,BROADCAST -m pkttype --pkt-type unicast'],
  ['filter', 'INPUT', '-m comment --comment "let it in" -j ACCEPT'],
  ['filter', 'INPUT', '-j REJECT', '-j REJECT --reject-with icmp-port-unreachable'],
  ['filter', 'INPUT', '-p tcp -j REJECT --reject-with tcp-rst', '-p tcp -j REJECT --reject-with tcp-reset'],
  ['filter', 'INPUT', '-j LOG --log-prefix "drop: " --log-level debug --log-tcp-sequence --log-tcp-options --log-ip-options',
    '-j LOG --log-prefix "drop: " --log-level 7 --log-tcp-sequence --log-tcp-options --log-ip-options'],
  ['filter', 'INPUT', '-c 3 180 -j ACCEPT', '-j ACCEPT'],
  ['mangle', 'PREROUTING', '-j MARK --set-mark 0x1', '-j MARK --set-xmark 0x1/0xffffffff'],
  ['mangle', 'PREROUTING', '-j MARK --or-mark 0x6', '-j MARK --set-xmark 0x6/0x6'],
  ['mangle', 'PREROUTING', '-j MARK --and-mark 0xf0', '-j MARK --set-xmark 0x0/0xffffff0f'],
  ['mangle', 'PREROUTING', '-j CONNMARK --save-mark', '-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff'],
  ['mangle', 'POSTROUTING', '-j TTL --ttl-inc 1'],
  ['mangle', 'POSTROUTING', '-j DSCP --set-dscp-class AF21', '-j DSCP --set-dscp 0x12'],
  ['mangle', 'POSTROUTING', '-j TOS --set-tos 0x10', '-j TOS --set-tos 0x10/0xff'],
  ['mangle', 'FORWARD', '-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu',
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --clamp-mss-to-pmtu'],
  ['mangle', 'FORWARD', '-p tcp -j TCPMSS --set-mss 1200'],
  ['raw', 'PREROUTING', '-p udp -j NOTRACK'],
  ['raw', 'OUTPUT', '-j CT --notrack'],
  ['nat', 'POSTROUTING', '-s 192.168.0.0/16 -o eth1 -j MASQUERADE'],
  ['nat', 'POSTROUTING', '-p tcp -j MASQUERADE --to-ports 1024-2047 --random'],
  ['nat', 'POSTROUTING', '-o eth1 -j SNAT --to-source 203.0.113.1-203.0.113.9 --persistent'],
  ['nat', 'POSTROUTING', '-p udp -j SNAT --to-source 203.0.113.1:5000-6000 --random-fully'],
  ['nat', 'PREROUTING', '-p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080',
    '-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080'],
  ['nat', 'PREROUTING', '-p tcp -j DNAT --to-destination :1000-2000/5000'],
  ['nat', 'PREROUTING', '-p tcp -j REDIRECT --to-ports 8080'],
];

test('a line becomes a rule, which is printed in canonical words and read again as the same', () => {
  const kernel = new Kernel();
  for (const [table, chain, line, want] of LINES) {
    kernel.sh(`iptables -t ${table} -F ${chain}`);
    kernel.sh(`iptables -t ${table} -A ${chain} ${line}`);
    const printed = kernel.firewall.list(chain, { table: table as 'nat' }).map((rule) => rule.text);
    assert.deepEqual(printed, [want ?? line], line);
    kernel.sh(`iptables -t ${table} -C ${chain} ${printed[0]!}`);
    kernel.sh(`iptables -t ${table} -D ${chain} ${printed[0]!}`);
    assert.deepEqual(kernel.firewall.list(chain, { table: table as 'nat' }), [], `${line} is found again`);
  }
});

test('a line that does not parse says which word, and what was expected', () => {
  const kernel = new Kernel();
  const CASES: readonly (readonly [string, RegExp])[] = [
    ['', /command is missing; expected a command: -A -I/],
    ['INPUT', /'INPUT' is not understood; expected a command/],
    ['-t fliter -L', /'fliter' is not understood; expected a table: filter, nat, mangle, raw/],
    ['-t', /'-t' is not followed by anything/],
    ['-A INPT -j DROP', /'INPT' is not understood; expected a chain of table filter: INPUT, FORWARD, OUTPUT/],
    ['-A PREROUTING -j DROP', /'PREROUTING' is not understood; expected a chain of table filter/],
    ['-A INPUT -j DROPP', /'DROPP' is not understood; expected a target \(ACCEPT, DROP, .*\) or a chain made with -N/],
    ['-A INPUT -j', /'-j' is not followed by anything; expected a target/],
    ['-A INPUT -j DROP -j ACCEPT', /the rule has the target DROP already/],
    ['-A INPUT --dport 80 -j DROP', /'--dport' is not understood; expected -p tcp or -p udp before it/],
    ['-A INPUT --ctstate NEW', /'--ctstate' is not understood; expected -m conntrack before it/],
    ['-A INPUT -p tcp --dprt 80', /'--dprt' is not understood; expected an option: -p -s/],
    ['-A INPUT -p tcp --dport 80:70', /--dport: '80:70' is not understood; expected a port such as 80/],
    ['-A INPUT -p tcp --dport 65536', /--dport: '65536' is not understood/],
    ['-A INPUT -p tcpp', /-p: 'tcpp' is not understood; expected a protocol/],
    ['-A INPUT ! -p all', /would match nothing/],
    ['-A INPUT -s 10.0.0.0/33', /-s: '10.0.0.0\/33' is not understood; expected an address, a network or a host name/],
    ['-A INPUT -s nobody', /-s: 'nobody' is not understood/],
    ['-A INPUT ! -s 10.0.0.1,10.0.0.2', /expected one address behind '!'/],
    ['-A INPUT -i a-name-that-is-too-long', /-i: .* expected an interface such as eth0/],
    ['-A INPUT -m conntrak', /'conntrak' is not understood; expected a match: tcp, udp/],
    ['-A INPUT -m tcp --dport 1', /-m tcp needs -p tcp/],
    ['-A INPUT -m multiport --dports 1', /-m multiport needs -p tcp/],
    ['-A INPUT -p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16', /15 places at most/],
    ['-A INPUT -m conntrack --ctstate NEU', /--ctstate: 'NEU' is not understood; expected of INVALID, NEW/],
    ['-A INPUT -m conntrack', /conntrack needs one of its options/],
    ['-A INPUT -m limit --limit 3/fortnight', /--limit: '3\/fortnight' is not understood; expected a rate such as 3\/hour/],
    ['-A INPUT -m statistic --mode random', /needs --probability/],
    ['-A INPUT -m statistic --mode random --probability 1.5', /--probability: '1.5' is not understood; expected a number from 0 to 1/],
    ['-A INPUT -m statistic --mode nth --every 2 --packet 2', /expected a number below --every/],
    ['-A INPUT -p tcp --tcp-flags SYN', /'--tcp-flags' is not followed by anything/],
    ['-A INPUT -p tcp --tcp-flags SIN SYN', /--tcp-flags: 'SIN' is not understood; expected flags/],
    ['-A INPUT -p icmp --icmp-type echo', /--icmp-type: 'echo' is not understood; expected an ICMP type/],
    ['-A INPUT -p tcp --syn --syn', /'--syn' is there twice/],
    ['-A INPUT !', /'!' is the last word/],
    ['-A INPUT ! -j DROP', /no '!' before '-j'/],
    ['-A INPUT -j REJECT --reject-with icmp-nonsense',
      /--reject-with: 'icmp-nonsense' is not understood; expected one of icmp-net-unreachable/],
    ['-A INPUT -j REJECT --reject-with tcp-reset', /--reject-with tcp-reset needs -p tcp/],
    ['-A INPUT -j LOG --log-prefix 123456789012345678901234567890', /a text of 29 characters at most/],
    ['-A INPUT -j MASQUERADE', /MASQUERADE is for table nat, not filter: -t nat/],
    ['-t nat -A PREROUTING -j MASQUERADE', /MASQUERADE may stand in POSTROUTING, not in PREROUTING/],
    ['-t nat -A POSTROUTING -j SNAT', /SNAT needs --to-source/],
    ['-t nat -A POSTROUTING -j SNAT --to-source 10.0.0.1:99', /SNAT with ports needs -p tcp/],
    ['-t nat -A POSTROUTING -j SNAT --to-source 10.0.0.300', /--to-source: '10.0.0.300' is not understood; expected an address/],
    ['-t nat -A PREROUTING -j DROP', /DROP is not for table nat/],
    ['-t mangle -A FORWARD -j TCPMSS --set-mss 1000', /TCPMSS needs -p tcp/],
    ['-t mangle -A FORWARD -j MARK', /MARK needs one of --set-mark/],
    ['-P INPUT REJECT', /'REJECT' is not understood; expected a policy: ACCEPT or DROP/],
    ['-D INPUT 1', /there is no rule of that number/],
    ['-D INPUT -j DROP', /no rule of that chain reads so/],
    ['-R INPUT 1 -j DROP', /there is no rule of that number/],
    ['-R INPUT -j DROP', /-R needs the number/],
    ['-I INPUT 5 -j DROP', /there is no rule of that number/],
    ['-N INPUT', /there is a chain of that name/],
    ['-N DROP', /'DROP' is not understood; expected a name that is not a target/],
    ['-N !x', /expected a name of 28 characters at most/],
    ['-X INPUT', /not for that chain: is it built in/],
    ['-F INPUT now', /'now' is not understood; expected the end of the line/],
    ['-L INPUT zero', /'zero' is not understood; expected the number of a rule/],
  ];
  for (const [line, message] of CASES) {
    assert.throws(() => kernel.sh(`iptables ${line}`), (error: Error) => {
      assert.equal(error.name, 'ToolError', line);
      assert.match(error.message, /^iptables: /, line);
      assert.match(error.message, message, line);
      return true;
    }, line);
  }
  assert.equal(kernel.sh('iptables -S'), '-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n', 'and nothing has changed');
});

test('chains: made, called, renamed, removed; loops and chains in use are refused', () => {
  const kernel = new Kernel();
  const ipt = (line: string): string => kernel.sh(`iptables ${line}`);
  ipt('-N b');
  ipt('-N a');
  ipt('-A INPUT -j a');
  ipt('-A a -g b');
  assert.throws(() => ipt('-A b -j a'), /would lead back to its own chain \(ELOOP\)/);
  assert.throws(() => ipt('-A a -j a'), /ELOOP/);
  assert.throws(() => ipt('-X b'), /some rule still leads there \(EMLINK\)/);
  assert.throws(() => ipt('-X a'), /still has rules/);
  ipt('-E b c');
  assert.equal(ipt('-S'), [
    '-P INPUT ACCEPT', '-P FORWARD ACCEPT', '-P OUTPUT ACCEPT', '-N a', '-N c', '-A INPUT -j a', '-A a -g c', '',
  ].join('\n'));
  ipt('-F');
  ipt('-X');
  assert.equal(ipt('-S INPUT'), '-P INPUT ACCEPT\n');
});

test('-L prints the columns that scripts know', () => {
  const kernel = new Kernel();
  kernel.sh('iptables -A INPUT -i lo -j ACCEPT');
  kernel.sh('iptables -A INPUT -s 10.0.0.0/8 -p tcp -m multiport --dports 22,80 -m conntrack --ctstate NEW -j ACCEPT');
  kernel.sh('iptables -P INPUT DROP');
  assert.equal(kernel.sh('iptables -nvL INPUT --line-numbers'), [
    'Chain INPUT (policy DROP 0 packets, 0 bytes)',
    'num   pkts bytes target     prot opt in     out     source               destination',
    '1        0     0 ACCEPT     all  --  lo     *       0.0.0.0/0            0.0.0.0/0',
    '2        0     0 ACCEPT     tcp  --  *      *       10.0.0.0/8           0.0.0.0/0            multiport dports 22,80 ctstate NEW',
    '',
  ].join('\n'));
  assert.equal(
    kernel.sh('iptables -L INPUT 2'),
    'ACCEPT     tcp  --  10.0.0.0/8           anywhere             multiport dports 22,80 ctstate NEW\n',
  );
});

test('objects and lines are one model; a wrong object names its key', () => {
  const world = new World();
  const { firewall } = world.host('a');
  firewall.append('INPUT', {
    protocol: 'tcp', dport: '!80', source: '!10.0.0.0/8', ctstate: ['NEW', 'RELATED'], limit: '5/minute', target: 'DROP',
  });
  firewall.insert('INPUT', { protocol: 'tcp', syn: false, comment: 'x y', target: 'LOG', logPrefix: 'a b' });
  firewall.append('INPUT', { probability: 0.5, in: 'eth0', mark: '0x1/0xf' });
  firewall.append('POSTROUTING', { table: 'nat', out: 'eth1', target: 'SNAT', toSource: '10.0.0.1', random: true });
  assert.deepEqual(firewall.list('INPUT').map((rule) => rule.text), [
    '-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment "x y" -j LOG --log-prefix "a b"',
    '! -s 10.0.0.0/8 -p tcp -m tcp ! --dport 80 -m conntrack --ctstate NEW,RELATED -m limit --limit 5/minute -j DROP',
    '-i eth0 -m statistic --mode random --probability 0.50000000000 -m mark --mark 0x1/0xf',
  ]);
  assert.equal(firewall.list('POSTROUTING', { table: 'nat' })[0]!.text, '-o eth1 -j SNAT --to-source 10.0.0.1 --random');
  assert.equal(firewall.has('POSTROUTING', { table: 'nat', out: 'eth1', target: 'SNAT', toSource: '10.0.0.1', random: true }), true);
  assert.equal(firewall.has('INPUT', { target: 'DROP' }), false);
  firewall.delete('INPUT', 3);
  firewall.replace('INPUT', 1, { target: 'ACCEPT' });
  firewall.delete('INPUT', { target: 'ACCEPT' });
  assert.equal(firewall.list('INPUT').length, 1);
  const wrong: readonly (readonly [() => void, RegExp])[] = [
    [() => firewall.append('INPUT', { port: 80 } as never), /append: port: no such key of a rule; expected table, target/],
    [() => firewall.append('INPUT', { dport: {} } as never), /append: dport: an object is not understood; expected a string, a number/],
    [() => firewall.append('INPUT', { dport: 80 }), /'--dport' is not understood; expected -p tcp or -p udp before it/],
    [() => firewall.append('INPUT', null as never), /rule is null; expected an object such as/],
    [() => firewall.append(7 as never, {}), /append: chain is 7; expected the name of a chain/],
    [() => firewall.insert('INPUT', {}, 0), /at: 0 is out of range/],
    [() => firewall.policy('INPUT', 'NO' as never), /'NO' is not understood; expected a policy/],
  ];
  for (const [call, message] of wrong) assert.throws(call, message);
});

test('save and restore: the same text again; a bad line changes nothing and is named by its number', () => {
  const kernel = new Kernel();
  const text = [
    '*filter', ':INPUT DROP [5:300]', ':FORWARD ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]', ':web - [0:0]',
    '[2:120] -A INPUT -p tcp -m tcp --dport 80 -j web', '[0:0] -A web -m comment --comment "two words" -j ACCEPT', 'COMMIT',
    '*nat', ':PREROUTING ACCEPT [0:0]', ':INPUT ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]', ':POSTROUTING ACCEPT [0:0]',
    '[0:0] -A POSTROUTING -o eth1 -j MASQUERADE', 'COMMIT', '',
  ].join('\n');
  kernel.firewall.restore(text);
  assert.equal(kernel.firewall.save({ counters: true }), text);
  assert.equal(kernel.sh('iptables-save -c -t filter').split('\n')[0], '*filter');
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['*filter\n-A INPUT -j NOWHERE\nCOMMIT\n', /iptables-restore: line 2: 'NOWHERE' is not understood/],
    ['-A INPUT -j DROP\n', /line 1: '-A' is not understood; expected a table first/],
    ['*filter\n', /the text ends before COMMIT/],
    ['*filter\n:INPUT\nCOMMIT\n', /line 2: ':INPUT' is not understood; expected a chain/],
    ['*filter\nnonsense\nCOMMIT', /line 2: 'nonsense' is not understood/],
  ];
  for (const [bad, message] of wrong) assert.throws(() => kernel.firewall.restore(bad), message);
  assert.equal(kernel.firewall.save({ counters: true }).replace('[5:300]', '[0:0]'), text.replace('[5:300]', '[0:0]'), 'all is as it was');
  assert.throws(() => kernel.sh('iptables-restore x'), /host.firewall.restore\(text\)/);
});
