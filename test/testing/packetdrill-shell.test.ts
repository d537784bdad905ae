/** The shell of packetdrill scripts: what sh understands, and the commands of the simulated host. */
/* eslint no-template-curly-in-string: off -- the braces are the shell's */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runPacketdrill } from '../../src/testing.ts';

const LISTENER = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n';
const FILES: Readonly<Record<string, string>> = {
  'set.sh': 'X=$1\nfor i in 1 2 3; do X=$X$i; done\nreturn 0', 'numbers': '1 one\n2 two\n3 three\n', 'fails.sh': 'exit 3',
};

async function told(command: string): Promise<string> {
  const [r] = await runPacketdrill(`${LISTENER}+0 \`${command.replace(/`/g, '\\`')}\`\n`, {
    file: 'a.pkt', modes: ['ipv4'], readFile: (path) => FILES[path.replace(/^\.\//, '')] ?? null,
  });
  const status = /^the command ended with status (\d+)/.exec(r!.message)?.[1];
  return r!.status === 'ok' ? '0' : r!.status === 'skip' ? `skip ${r!.message}` : (status ?? r!.message);
}

/** A command, and its exit status or what is skipped. */
const COMMANDS: readonly (readonly [string, string])[] = [
  // lists
  ['true; false', '1'],
  ['false || true && true', '0'],
  ['! false && ! grep -q x /dev/null', '0'],
  ['false\ntrue', '0'],
  ['set -e\nfalse\ntrue', '1'],
  ['set -e; if false; then false; fi; false || true; true', '0'],
  ['exit 7; true', '7'],
  ['(exit 4); [ $? -eq 4 ]', '0'],
  ['{ false; true; }', '0'],
  ['sleep 1 &\ntrue', 'skip commands in the background (&)'],
  // conditions and loops
  ['if [ 1 -lt 2 ]; then true; else false; fi', '0'],
  ['if false; then exit 1; elif [ a = b ]; then exit 2; else exit 5; fi', '5'],
  ['n=0; for i in 1 2 3 4; do n=$((n + i)); [ $i = 3 ] && break; done; exit $n', '6'],
  ['n=0; while [ $n -lt 9 ]; do n=$((n+2)); done; exit $n', '10'],
  ['until true; do false; done', '0'],
  ['case tun0 in eth*) exit 1;; tun[0-9]|x) exit 2;; *) exit 3;; esac', '2'],
  ['twice() { return $(($1 * 2)); }; twice 4', '8'],
  ['function f { false; }\nf', '1'],
  ['while true; do :; done', 'the command goes on for ever: more than 20000 steps'],
  ['f() { f; }; f', 'functions call each other more than 100 deep'],
  // words
  ["a=1; b=\"$a x\"; [ \"$b\" = '1 x' ]", '0'],
  ["[ '$a' = \\$a ]", '0'],
  ['a="x y"; set -- $a; [ $# -eq 2 ] && [ $1$2 = xy ]', '0'],
  ['a="x y"; set -- "$a" ""; exit $#', '2'],
  ['[ ${no:-other} = other ] && [ -z "$no" ] && v=abc && [ ${#v} = 3 ]', '0'],
  ['f=/tmp/a.tar.gz; [ ${f##*/} = a.tar.gz ] && [ ${f%.*} = /tmp/a.tar ] && [ ${f%%.*} = /tmp/a ] && [ ${f#*.} = tar.gz ]', '0'],
  ['[ $(echo one two | wc -w) -eq 2 ] && [ `echo 5` = 5 ]', '0'],
  ['[ "$(echo "a b" | cut -d " " -f 2)" = b ]', '0'],
  ['exit $(( (3 + 4) * 2 - 0x4 % 3 ))', '13'],
  ['[ {1..3} = x ]', "skip command 'test 1 2 3 = x'"],
  ['X=1 true; [ -z "$X" ]', '0'],
  ['echo \\\n  a | grep -q "^a$"', '0'],
  ['true # not; false', '0'],
  ['echo "#a" | grep -q "#a"', '0'],
  // pipes and redirections
  ['echo "a b c" | tr " " "\\n" | sort -r | head -1 | grep -q c', '0'],
  ['echo hello > /tmp/x && cat /tmp/x | grep -q hello && [ -f /tmp/x ] && rm /tmp/x && ! [ -f /tmp/x ]', '0'],
  ['echo a > f; echo b >> f; [ $(wc -l < f) -eq 2 ]', '0'],
  ['cat <<END | grep -c line | grep -q 2\nline 1\nline 2\nEND', '0'],
  ['v=5; cat <<END | grep -q "v is 5"\nv is $v\nEND', '0'],
  ['grep -q b <<< "abc"', '0'],
  ['ip route del 10.9.0.0/16 2>/dev/null || true', '0'],
  ['ip route del 10.9.0.0/16 2>&1 | grep -q "No such process"', '0'],
  ['ip route del 10.9.0.0/16', '2'],
  ['{ echo a; echo b; } > both; grep -q b both', '0'],
  ['printf "%s %d\\n" a 1 b 2 | while read name n; do [ $n -gt 1 ] && echo $name; done | grep -qx b', '0'],
  ['cat < missing', '1'],
  ['. ./set.sh 9; [ $X = 9123 ]', '0'],
  ['./set.sh 1 && bash set.sh && sh -c "exit 0"', '0'],
  ['sh ./fails.sh', '3'],
  ['eval "x=1; [ \\$x = 1 ]"', '0'],
  // tools of text
  ['grep -E "^[[:digit:]]+ t(wo|hree)$" numbers | wc -l | grep -q 2', '0'],
  ['grep -c "o" numbers | grep -q 2 && grep -o "[a-z]*" numbers | head -n 1 | grep -qw one', '0'],
  ['grep -v one numbers | grep -q one', '1'],
  ['grep -A 1 one numbers', "skip command 'grep -A 1 one numbers'"],
  ['awk "{print \\$2}" numbers | tail -1 | grep -qx three', '0'],
  ["[ $(awk '$2 == \"two\" {print $1}' numbers) = 2 ] && [ $(awk '/t/ {print $1, NR}' numbers | head -1 | cut -d' ' -f2) = 2 ]", '0'],
  ["[ $(awk '{s += $1} END {print s}' numbers) -eq 6 ]", '0'],
  ["sed -n 's/^\\([0-9]\\) two$/\\1/p' numbers | grep -qx 2 && sed '2d' numbers | grep -c . | grep -q 2", '0'],
  ["sed -E 's/(t)(w)/\\2\\1/;s/o/0/g' numbers | grep -q '^2 wt0$'", '0'],
  ['seq 1 3 | sort -n -r | uniq | head -1 | grep -q 3 && [ $(expr 6 / 4) = 1 ]', '0'],
  // the host
  ['sysctl -n net.ipv4.tcp_sack | grep -qx 1 && sysctl -w net.ipv4.tcp_sack=0 && [ $(cat /proc/sys/net/ipv4/tcp_sack) = 0 ]', '0'],
  ['old=$(sysctl -n net.ipv4.tcp_rmem); sysctl -qw net.ipv4.tcp_rmem="$old"', '0'],
  ['ip route get 192.0.2.1 | grep -q "dev tun0"', '0'],
  ['ip tcp_metrics flush all > /dev/null; ip tcp_metrics delete 192.0.2.1 2>/dev/null; true', '0'],
  ['tc qdisc replace dev tun0 root fq && tc qdisc show dev tun0 | grep -q "qdisc fq" && tc qdisc del dev tun0 root', '0'],
  ['tc qdisc add dev tun0 root cake', "skip command 'tc qdisc add dev tun0 root cake'"],
  ['ss -tln | grep -q :8080 && [ $(ss -Htln | wc -l) -ge 1 ]', '0'],
  ['nstat -n; nstat -az TcpExtTCPTimeouts | grep -q "TCPTimeouts *0" && [ $(nstat -az | grep -c "^Tcp") -gt 5 ]', '0'],
  ['iptables -A INPUT -p tcp --dport 8080 -j DROP && iptables -F && conntrack -L | grep -q tcp || true', '0'],
  ['ethtool -K tun0 tso off gso off gro off', '0'],
  ['dd bs=1k count=3 if=/dev/zero of=/tmp/f status=none; [ $(wc -c < /tmp/f) -eq 3072 ]; rm -f /tmp/f', '0'],
  ['[ $(uname -r | cut -d. -f1) -ge 6 ] && [ "$(id -u)" = 0 ] && command -v tc > /dev/null', '0'],
  ['t=$(mktemp); echo 1 > $t; [ "$(cat $t)" = 1 ]', '0'],
  ['nft list ruleset', "skip command 'nft'"],
  ['python3 -c "print(1)"', "skip command 'python3'"],
  ['ip rule add fwmark 1', "skip command 'ip rule add fwmark 1'"],
  // mistakes
  ['if true; then false', '2'],
  ['echo "a', '2'],
  ['echo $(echo a', '2'],
  ['| true', '2'],
];

test('packetdrill: shell lines mean what they mean to sh', async () => {
  const wrong: string[] = [];
  for (const [command, wanted] of COMMANDS) {
    const got = await told(command);
    if (got !== wanted) wrong.push(`${command}\n  wanted: ${wanted}\n  got:    ${got}`);
  }
  assert.equal(wrong.join('\n'), '');
});
