/** TCP-AO: the test vectors of RFC 9235, what the socket options take and give, and two hosts that sign while keys change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, AF_INET6, SOCK_STREAM, SOL_TCP, World } from '../../mod.ts';
import { TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_GET_KEYS, TCP_AO_INFO } from '../../src/sock/constants.ts';
import { fromHex } from '../../src/lib/bytes.ts';
import { SockoptError } from '../../src/sock/sock.ts';
import { inetAddrAdd } from '../../src/ip/devinet.ts';
import { inet6AddrAdd } from '../../src/ip/v6/addrconf.ts';
import { Mib } from '../../src/dev/mib.ts';
import { ipv4 } from '../../src/lib/addr.ts';
import { in6Any, parseIpv6 } from '../../src/lib/addr6.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { sysBind, sysListen, sysSocket } from '../../src/syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../../src/syscall/sockopt.ts';
import { tcpAoComputeSne } from '../../src/tcp/ao.ts';
import type { TcpAoInfoOpt, TcpAoKeyInfo } from '../../src/tcp/ao-sockopt.ts';
import { labWith, tableWith } from '../../src/testing.ts';
import { LabHost } from '../../src/testing/lab-host.ts';
import { AoSigner } from '../../src/testing/packetdrill/ao-signature.ts';
import { checksumPacket } from '../../src/testing/packetdrill/signature.ts';

const lab = labWith(test, [4, 6]);
const table = tableWith(test);

/** RFC 9235: master key "testvector", the client's key ID is 61, the server's 84. */
const VECTORS: readonly { what: string; alg: string; exclude: boolean; syn: string; synack?: string }[] = [
  {
    what: '§4.1.1, §4.1.2: HMAC-SHA-1-96', alg: 'hmac(sha1)', exclude: false,
    syn: '45e0004cdd0f4000ff06bf6b0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000e002ffffcac40000020405b4010303080402080a00155ab700000000'
      + '1d103d542ee437c6f8ede6d7c4d602e7',
    synack: '45e0004c65064000ff063775ac1b1c1d0a0b0c0d00b3e9d711c14261fbfbab5be012ffff37760000020405b4010303080402080a84a50beb00155ab7'
      + '1d10543deeab0fe24c3010815116b3be',
  },
  {
    what: '§4.2.1: the other options are not signed', alg: 'hmac(sha1)', exclude: true,
    syn: '45e0004c53994000ff0648e20a0b0c0dac1b1c1dff1200b3cb0efbee00000000e002ffff541f0000020405b4010303080402080a00024cce00000000'
      + '1d103d5480af3cfeb85368937b8f9ec2',
  },
  {
    what: '§5.1.1, §5.1.2: AES-128-CMAC-96', alg: 'cmac(aes128)', exclude: false,
    syn: '45e0004c7b9f4000ff0620dc0a0b0c0dac1b1c1dc4fa00b3787a1ddf00000000e002ffff5a0f0000020405b4010303080402080a00017ed000000000'
      + '1d103d54e477e99c8040765498e55091',
    synack: '45e0004c4bad4000ff0650ceac1b1c1d0a0b0c0d00b3c4fafadd6de9787a1de0e012fffff3f20000020405b4010303080402080a93f4e9e800017ed0'
      + '1d10543dd6ada7bc4cdd536d1769db5f',
  },
  {
    what: '§6.1.1: IPv6', alg: 'hmac(sha1)', exclude: false,
    syn: '6e0891dc00380640fd000000000000000000000000000001fd000000000000000000000000000002f7e400b3176a833f00000000e002ffff47210000'
      + '020405a0010303080402080a0041d087000000001d103d549033ec3d7334b64c5edd039f',
  },
];

/** A host with the addresses of the RFC's server, and a listener with its key. */
function server(alg: string, exclude: boolean, v6: boolean): LabHost {
  const host = new LabHost({ family: v6 ? 6 : 4 });
  host.net.cpu.enter(0);
  assert.equal(inetAddrAdd(host.wire.dev, ipv4(172, 27, 28, 29), 24), 0);
  if (v6) assert.equal(inet6AddrAdd(host.wire.dev, parseIpv6('fd00::2')!, 64), 0);
  host.net.cpu.exit();
  const fd = sysSocket(host.process, v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  const key = { address: v6 ? 'fd00::1' : '10.11.12.13', sndid: 84, rcvid: 61, algName: alg, keyflags: exclude ? 2 : 0, key: 'testvector' };
  assert.equal(sysSetsockopt(host.process, fd, SOL_TCP, TCP_AO_ADD_KEY, key), 0);
  const to = new SockAddr();
  to.set(0, 179);
  if (v6) to.set6(in6Any, 179, 0);
  assert.equal(sysBind(host.process, fd, to), 0);
  assert.equal(sysListen(host.process, fd, 8), 0);
  return host;
}

for (const { what, alg, exclude, syn, synack } of VECTORS) {
  test(`RFC 9235 ${what}`, () => {
    const bytes = fromHex(syn)!;
    const host = server(alg, exclude, bytes[0]! >> 4 === 6);
    const { mib } = host.net;
    checksumPacket(bytes); // the RFC's were taken in front of the card
    host.wire.injectIp(bytes, 0);
    assert.equal(mib[Mib.TcpExtTCPAOGood], 1, 'the SYN is believed');
    bytes[bytes.length - 1]! ^= 1;
    checksumPacket(bytes);
    host.wire.injectIp(bytes, 0);
    assert.equal(mib[Mib.TcpExtTCPAOBad], 1, 'one bit less is not');
    if (synack === undefined) return;
    // As the server sends it: the keys of the RFC, by the second of our two ways to compute them.
    const signer = new AoSigner();
    signer.add({ sndid: 84, rcvid: 61, algName: alg, excludeOptions: exclude, key: Buffer.from('testvector') });
    signer.sign(fromHex(syn)!);
    assert.ok(signer.verify(fromHex(synack)!), 'the SYN-ACK');
  });
}

table<{ sne: number; next: number; seq: number; got: number }>(
  'RFC 5925 §6.2: the extension of a number that lies near another one',
  `
  sne   next         seq          →  got
  0     100          200             0
  0     200          100             0
  0     4294967295   0               1      // ahead, round the end
  1     0            4294967295      0      // behind, round the end
  1     10           10              1
  0     4294967290   2147483700      0
  7     2147483648   1               7
  7     2147483648   4294967295      7
`,
  ({ sne, next, seq, got }) => {
    assert.equal(tcpAoComputeSne(sne, next | 0, seq | 0), got);
  },
);

lab('The socket options: what is refused, what a listener may not say, what they give back', {}, (t) => {
  const p = t.host.process;
  const v6 = t.host.family === 6;
  const peer = v6 ? 'fd3d:fa7b:d17d::2' : '192.168.0.2';
  const fd = sysSocket(p, t.host.socketFamily, SOCK_STREAM, 0);
  const good = { address: peer, sndid: 1, rcvid: 2, algName: 'hmac(sha1)', key: 'k' };
  const add = (value: object): number => sysSetsockopt(p, fd, SOL_TCP, TCP_AO_ADD_KEY, value);
  assert.ok(sysGetsockopt(p, fd, SOL_TCP, TCP_AO_INFO) instanceof SockoptError);
  for (const bad of [
    { address: 'nowhere' }, { address: v6 ? 'fd3d:fa7b:d17d::3' : '192.168.0.3', prefix: v6 ? 127 : 31 }, { prefix: 0 }, { prefix: 129 },
    { address: v6 ? '::' : '0.0.0.0' }, { sndid: 256 }, { rcvid: -1 }, { sndid: 1.5 }, { keyflags: 1 }, { key: new Uint8Array(81) },
    { key: 5 }, { maclen: 21 }, { maclen: 300 }, ...(v6 ? [] : [{ address: 'fd3d::1' }]),
  ]) assert.equal(add({ ...good, ...bad }), -22, JSON.stringify(bad));
  assert.equal(add({ ...good, algName: 'hmac(md5)' }), -2);
  assert.equal(add({ ...good, maclen: 17 }), -90);
  assert.equal(add(5 as unknown as object), -22);
  assert.equal(add({ ...good, setCurrent: true, setRnext: true }), 0);
  assert.equal(add({ ...good, sndid: 3 }), -17, 'the same rcvid');
  assert.equal(add({ ...good, rcvid: 3 }), -17, 'the same sndid');
  assert.equal(add({ ...good, sndid: 3, rcvid: 4, algName: 'cmac(aes128)', maclen: 16, keyflags: 2 }), 0);
  const keys = sysGetsockopt(p, fd, SOL_TCP, TCP_AO_GET_KEYS) as TcpAoKeyInfo[];
  assert.deepEqual(keys.map((k) => [k.address, k.prefix, k.sndid, k.rcvid, k.algName, k.maclen, k.keyflags, k.isCurrent, k.isRnext]), [
    [peer, v6 ? 128 : 32, 3, 4, 'cmac(aes128)', 16, 2, false, false],
    [peer, v6 ? 128 : 32, 1, 2, 'hmac(sha1)', 12, 0, true, true],
  ]);
  const info = sysGetsockopt(p, fd, SOL_TCP, TCP_AO_INFO) as TcpAoInfoOpt;
  assert.deepEqual([info.currentKey, info.rnext, info.aoRequired, info.acceptIcmps, info.pktGood], [1, 2, false, false, 0]);
  const set = (value: object): number => sysSetsockopt(p, fd, SOL_TCP, TCP_AO_INFO, value);
  assert.equal(set({ currentKey: 9 }), -2);
  assert.equal(set({ aoRequired: 1 }), -22);
  assert.equal(set({ pktGood: 1 }), -22, 'the five together');
  assert.equal(set({ currentKey: 3, aoRequired: true, pktGood: 1, pktBad: 2, pktKeyNotFound: 3, pktAoRequired: 4, pktDroppedIcmp: 5 }), 0);
  assert.equal((sysGetsockopt(p, fd, SOL_TCP, TCP_AO_INFO) as TcpAoInfoOpt).pktAoRequired, 4);
  const del = (value: object): number => sysSetsockopt(p, fd, SOL_TCP, TCP_AO_DEL_KEY, { address: peer, sndid: 3, rcvid: 4, ...value });
  assert.equal(del({}), -16);
  assert.equal(del({ currentKey: 7 }), -2);
  assert.equal(del({ currentKey: 1, delAsync: true }), -22, 'only at listeners');
  assert.equal(del({ currentKey: 1 }), 0);
  const c = t.established();
  assert.equal(sysSetsockopt(p, c.fd, SOL_TCP, TCP_AO_ADD_KEY, good), -106);
  const listener = t.listening({ port: 81 });
  const late = { ...good, setCurrent: true };
  assert.equal(sysSetsockopt(p, listener.fd, SOL_TCP, TCP_AO_ADD_KEY, late), -22);
  t.host.closeFd(fd);
});

/** Both hosts have two keys, the connection begins with the first and ends with the second. */
async function transfer(v6: boolean): Promise<void> {
  const world = new World({ seed: 9 });
  try {
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    world.cable(alice, bob, { rate: '100mbit', delay: '2ms', loss: 0.02 });
    const { kernel: a } = alice;
    const { kernel: b } = bob;
    const family = v6 ? AF_INET6 : AF_INET;
    const any = v6 ? '::' : '0.0.0.0';
    if (v6) {
      alice.sh('ip addr add fd00::1/64 dev eth0 nodad');
      bob.sh('ip addr add fd00::2/64 dev eth0 nodad');
    }
    const keys = (near: number): object[] => [1, 2].map((n) => ({
      address: any, prefix: 0, sndid: near + n, rcvid: 30 - near + n, algName: n === 1 ? 'hmac(sha1)' : 'cmac(aes128)', key: `secret ${n}`,
    }));
    const listener = b.socket(family, SOCK_STREAM, 0);
    for (const key of keys(20)) b.setsockopt(listener, SOL_TCP, TCP_AO_ADD_KEY, key);
    b.bind(listener, { address: any, port: 179 });
    b.listen(listener, 16);
    await world.run(async () => {
      const c = a.socket(family, SOCK_STREAM, 0);
      for (const key of keys(10)) a.setsockopt(c, SOL_TCP, TCP_AO_ADD_KEY, key);
      a.setsockopt(c, SOL_TCP, TCP_AO_INFO, { currentKey: 11, rnext: 21, aoRequired: true });
      await a.connect(c, { address: v6 ? 'fd00::2' : bob.ip, port: 179 });
      const { fd } = await b.accept(listener);
      const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7 + (i >> 8));
      const receive = async (): Promise<void> => {
        const buffer = new Uint8Array(65536);
        for (let got = 0; got < bytes.length;) {
          const n = await b.read(fd, buffer);
          assert.ok(n > 0);
          assert.deepEqual(buffer.subarray(0, n), bytes.subarray(got, got + n));
          got += n;
        }
      };
      const ids = (k: typeof a, at: number): unknown[] => {
        const { currentKey, rnext, pktBad, pktKeyNotFound } = k.getsockopt(at, SOL_TCP, TCP_AO_INFO) as TcpAoInfoOpt;
        return [currentKey, rnext, pktBad, pktKeyNotFound];
      };
      await Promise.all([a.write(c, bytes), receive()]);
      assert.deepEqual([ids(a, c), ids(b, fd)], [[11, 21, 0, 0], [21, 11, 0, 0]]);
      // Each end asks for the other's second key.
      a.setsockopt(c, SOL_TCP, TCP_AO_INFO, { rnext: 22, aoRequired: true });
      b.setsockopt(fd, SOL_TCP, TCP_AO_INFO, { rnext: 12 });
      for (let i = 0; i < 3; i++) await Promise.all([a.write(c, bytes), receive()]);
      assert.deepEqual([ids(a, c), ids(b, fd)], [[12, 22, 0, 0], [22, 12, 0, 0]]);
      a.close(c);
      assert.equal(await b.read(fd, new Uint8Array(1)), 0);
      b.close(fd);
    });
    assert.ok(a.nstat().TcpRetransSegs > 0, 'what is sent again is signed again');
  } finally {
    world.stop();
  }
}

test('two hosts over a lossy cable change both keys on the way', async () => {
  await transfer(false);
  await transfer(true);
});
