/**
 * `ip link add` and `ip link del`: devices that exist by word of mouth.
 *
 *     ip link add link eth0 name eth0.10 type vlan id 10 [protocol 802.1Q] [egress-qos-map FROM:TO …]
 *     ip link add veth0 type veth peer name veth1      a pair; both ends on this host (between hosts: world.veth)
 *     ip link del eth0.10
 */
import { EEXIST } from '../../lib/errno.ts';
import { NetDevice } from '../../dev/net-device.ts';
import { devGetByName } from '../../dev/registry.ts';
import { vethEnd, vethPair, vethUnregister } from '../../dev/veth.ts';
import { vlanDev, vlanRegister, vlanUnregister } from '../../dev/vlan.ts';
import { VLAN_VID_MAX } from '../../wire/vlan.ts';
import { ToolError, unknownWord, type ToolHost } from './command.ts';

const TOOL = 'ip link';

/** Changes the devices of a host; prints nothing. */
export function changeLinks(host: ToolHost, words: readonly string[]): string {
  const [verb, ...rest] = words;
  const { cpu } = host.net;
  cpu.enter(0);
  try {
    if (verb === 'add') add(host, rest);
    else del(host, rest);
  } finally {
    cpu.exit();
  }
  return '';
}

function add(host: ToolHost, words: readonly string[]): void {
  let name: string | null = null;
  let link: string | null = null;
  const rest = [...words];
  for (let word = rest.shift(); word !== 'type'; word = rest.shift()) {
    if (word === undefined) {
      throw new ToolError(`${TOOL}: 'type' is missing; expected: ip link add link DEV name NAME type vlan id VID, or … type veth`);
    }
    if (word === 'link') link = need(rest, word);
    else if (word === 'name' || word === 'dev') name = need(rest, word);
    else if (name === null) name = word;
    else throw unknownWord(TOOL, word, "'link DEV', 'name NAME', 'type vlan' or 'type veth'");
  }
  const kind = need(rest, 'type');
  if (kind === 'veth') {
    addVeth(host, name ?? 'veth0', rest);
    return;
  }
  if (kind !== 'vlan') throw unknownWord(TOOL, kind, 'a type: vlan or veth (a bridge stands between hosts: world.switch)');
  const { vid, qos } = vlanWords(rest);
  if (link === null) throw new ToolError(`${TOOL}: a VLAN is on a device; expected 'link DEV' before 'type vlan'`);
  const dev = vlanRegister(device(host, link), name ?? `${link}.${String(vid)}`, vid);
  if (dev instanceof NetDevice) {
    for (const [from, to] of qos) vlanDev(dev)!.egressQos.set(from, to);
    return;
  }
  if (dev === -EEXIST) throw new ToolError(`${TOOL}: RTNETLINK answers: File exists (${name ?? ''}, or VLAN ${String(vid)} on ${link})`);
  throw new ToolError(`${TOOL}: RTNETLINK answers: Invalid argument (${link} is no Ethernet card)`);
}

function addVeth(host: ToolHost, name: string, words: string[]): void {
  let peer = name === 'veth1' ? 'veth0' : 'veth1';
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word !== 'peer') throw unknownWord(TOOL, word, "'peer name NAME'");
    if (words[0] === 'name') words.shift();
    peer = need(words, 'peer name');
    if (words[0] === 'netns') throw new ToolError(`${TOOL}: 'netns' is not understood; a name space is a host here → world.veth(a, b)`);
  }
  if (typeof vethPair(host.net, name, host.net, peer) !== 'number') return;
  throw new ToolError(`${TOOL}: RTNETLINK answers: File exists (${name}, ${peer})`);
}

function vlanWords(words: string[]): { vid: number; qos: [number, number][] } {
  let vid = -1;
  const qos: [number, number][] = [];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === 'id') {
      vid = number(need(words, word), 'id', VLAN_VID_MAX);
    } else if (word === 'protocol') {
      const protocol = need(words, word);
      if (protocol.toLowerCase() !== '802.1q') throw unknownWord(TOOL, protocol, '802.1Q');
    } else if (word === 'egress-qos-map') {
      while (words[0]?.includes(':') === true) {
        const [from = '', to = ''] = words.shift()!.split(':');
        qos.push([number(from, 'egress-qos-map', 0xffffffff), number(to, 'egress-qos-map', 7)]);
      }
    } else {
      throw unknownWord(TOOL, word, "'id VID', 'protocol 802.1Q' or 'egress-qos-map FROM:TO'");
    }
  }
  if (vid < 0) throw new ToolError(`${TOOL}: 'id VID' is missing behind 'type vlan'`);
  return { vid, qos };
}

function del(host: ToolHost, words: readonly string[]): void {
  const rest = words[0] === 'dev' ? words.slice(1) : words;
  const [name, ...more] = rest;
  if (name === undefined) throw new ToolError(`${TOOL}: 'del' wants the name of a device`);
  if (more.length > 0) throw unknownWord(TOOL, more[0]!, 'nothing more');
  const dev = device(host, name);
  if (vethEnd(dev) !== null) {
    vethUnregister(dev);
    return;
  }
  if (vlanDev(dev) === null) throw new ToolError(`${TOOL}: RTNETLINK answers: Operation not supported (${name} is no VLAN and no veth)`);
  vlanUnregister(dev);
}

function device(host: ToolHost, name: string): NetDevice {
  const dev = devGetByName(host.net, name);
  if (dev !== null) return dev;
  throw unknownWord(TOOL, name, `a device: ${host.net.devices.flatMap((one) => (one === null ? [] : [one.name])).join(', ')}`);
}

function need(words: string[], after: string): string {
  const word = words.shift();
  if (word === undefined) throw new ToolError(`${TOOL}: a word is missing behind '${after}'`);
  return word;
}

function number(word: string, name: string, max: number): number {
  const n = /^\d+$/.test(word) ? Number(word) : -1;
  if (n < 0 || n > max) throw unknownWord(TOOL, word, `a number from 0 to ${String(max)} behind '${name}'`);
  return n;
}
