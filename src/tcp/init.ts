/** Makes TCP of a host, and its sockets. The rooms above begin here. */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import { AF_INET, IPPROTO_TCP } from '../sock/constants.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { tcpCaFind } from './cong/cong.ts';
import { ConnectChecker } from './connect.ts';
import { tcpRcv } from './demux.ts';
import { tcpV4Err } from './icmp.ts';
import { tcpProt } from './ops.ts';
import { TcpProto } from './proto.ts';
import { TcpSock } from './sock.ts';
import { tcpTsqInit } from './tsq.ts';
import { tcpInitXmitTimers, tcpTimerHandlers } from './timer.ts';

/** TCP of a host: made once per boot, after IPv4, at which it registers. */
export function tcpInit(net: Net, ip: Ipv4): TcpProto {
  const tcp = new TcpProto(net, ip);
  tcpTsqInit(tcp);
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

/** A new socket in CLOSE, with the host's settings. */
export function tcpCreateSock(tcp: TcpProto, family: number = AF_INET): TcpSock {
  const { net, sysctl } = tcp;
  let ca = tcp.defaultCa;
  if (ca === null || ca.name !== sysctl.tcpCongestionControl) {
    ca = tcpCaFind(sysctl.tcpCongestionControl) ?? tcpCaFind('reno')!;
    tcp.defaultCa = ca;
  }
  const tp = new TcpSock(net, tcp, tcpProt, ca, tcpTimerHandlers, family);
  tcpInitXmitTimers(tp);
  tp.rcvbuf = sysctl.tcpRmem[1];
  tp.sndbuf = sysctl.tcpWmem[1];
  tp.reordering = sysctl.tcpReordering;
  tcp.socketCount++;
  return tp;
}
