/** Makes TCP of a host, and its sockets. The rooms above begin here. */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import type { Ipv6 } from '../ip/v6/ipv6.ts';
import { AF_INET, AF_INET6, IPPROTO_TCP } from '../sock/constants.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { tcpCaFind } from './cong/cong.ts';
import { tcpSetEcnField } from './ecn.ts';
import { INET_ECN_ECT_0 } from '../wire/ipv4.ts';
import { ConnectChecker } from './connect.ts';
import { tcpRcv } from './demux.ts';
import { tcpV4Err } from './icmp.ts';
import { tcpV6Err } from './icmp6.ts';
import { tcpV6Ops } from './ipv6.ts';
import { tcpProt, tcpV6Prot } from './ops.ts';
import { TcpProto } from './proto.ts';
import { TcpSock } from './sock.ts';
import { tcpTsqInit } from './tsq.ts';
import { tcpInitXmitTimers, tcpTimerHandlers } from './timer.ts';

/** TCP of a host: made once per boot, after IPv4, at which it registers. */
export function tcpInit(net: Net, ip: Ipv4): TcpProto {
  const tcp = new TcpProto(net, ip);
  tcpTsqInit(tcp);
  tcp.v4Prot = tcpProt;
  tcp.connectChecker = new ConnectChecker(tcp);
  ip.protocols[IPPROTO_TCP] = {
    rcv(skb: SkBuff): void {
      tcpRcv(tcp, skb);
    },
    err(skb: SkBuff, type: number, code: number, info: number): void {
      tcpV4Err(tcp, skb, type, code, info);
    },
  };
  return tcp;
}

/** TCP over IPv6, after IPv6, at which it registers. */
export function tcpV6Init(tcp: TcpProto, ip6: Ipv6): void {
  tcp.ip6 = ip6;
  tcp.v6 = tcpV6Ops;
  ip6.protocols[IPPROTO_TCP] = {
    rcv(skb: SkBuff): void {
      tcpRcv(tcp, skb);
    },
    err(skb: SkBuff, type: number, code: number, info: number): void {
      tcpV6Err(tcp, skb, type, code, info);
    },
  };
}

/** A new socket in CLOSE, with the host's settings. */
export function tcpCreateSock(tcp: TcpProto, family: number = AF_INET): TcpSock {
  const { net, sysctl } = tcp;
  let ca = tcp.defaultCa;
  if (ca === null || ca.name !== sysctl.tcpCongestionControl) {
    ca = tcpCaFind(sysctl.tcpCongestionControl) ?? tcpCaFind('reno')!;
    tcp.defaultCa = ca;
  }
  const tp = new TcpSock(net, tcp, family === AF_INET6 ? tcpV6Prot : tcpProt, ca, tcpTimerHandlers, family);
  tcpInitXmitTimers(tp);
  tp.rcvbuf = sysctl.tcpRmem[1];
  tp.sndbuf = sysctl.tcpWmem[1];
  if (ca.needsEcn) tcpSetEcnField(tp, INET_ECN_ECT_0);
  tp.rtoMinUs = sysctl.tcpRtoMinUs;
  tp.rtoMaxMs = sysctl.tcpRtoMaxMs;
  tp.reordering = sysctl.tcpReordering;
  tcp.socketCount++;
  return tp;
}
