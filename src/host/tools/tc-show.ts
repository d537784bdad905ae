/** A discipline as `tc qdisc show` prints it, and its counters as `tc -s` does. */
import type { NetDevice } from '../../dev/net-device.ts';
import type { Qdisc } from '../../dev/qdisc.ts';
import { Codel } from '../../dev/sched/codel.ts';
import type { CodelParams } from '../../dev/sched/codel-law.ts';
import { Bfifo, Pfifo } from '../../dev/sched/fifo.ts';
import { FqCodel } from '../../dev/sched/fq-codel.ts';
import { Fq } from '../../dev/sched/fq.ts';
import { Htb } from '../../dev/sched/htb.ts';
import { Netem } from '../../dev/sched/netem.ts';
import { PfifoFast, PRIO_TO_BAND } from '../../dev/sched/pfifo-fast.ts';
import { Prio } from '../../dev/sched/prio.ts';
import { Tbf } from '../../dev/sched/tbf.ts';
import { GilbertElliott, RandomLoss, StateLoss, type EventChance, type LossModel } from '../../lib/loss.ts';
import type { Slot } from '../../lib/slot.ts';
import { showPercent, showRate, showSize, showTime } from './tc-units.ts';

/** `qdisc tbf 1: dev eth0 root refcnt 2 rate 1Mbit …`; `dev` is left out when the line asked for one device. */
export function showQdisc(q: Qdisc | null, dev: NetDevice, nameDev: boolean): string {
  const on = nameDev ? `dev ${dev.name} ` : '';
  if (q === null) return `qdisc noqueue 0: ${on}root refcnt 2 `;
  const place = q.parent === null ? 'root refcnt 2' : `parent ${hex(q.parent.handle)}:${hex(q.parentClass)}`;
  return `qdisc ${q.kind} ${hex(q.handle)}: ${on}${place} ${showOptions(q)}`;
}

/** ` Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) ` and what the kind counts besides. */
export function showStats(q: Qdisc | null): string[] {
  const n = (value: number | undefined): string => String(value ?? 0);
  return [
    ` Sent ${n(q?.bytes)} bytes ${n(q?.packets)} pkt (dropped ${n(q?.drops)}, overlimits ${n(q?.overlimits)} requeues ${n(q?.requeues)}) `,
    ` backlog ${showSize(q?.backlog ?? 0)} ${n(q?.qlen)}p requeues ${n(q?.requeues)}`,
    ...(q === null ? [] : ownStats(q)),
  ];
}

function hex(n: number): string {
  return n.toString(16);
}

function showOptions(q: Qdisc): string {
  if (q instanceof Pfifo) return `limit ${String(q.limit)}p`;
  if (q instanceof Bfifo) return `limit ${String(q.limit)}b`;
  if (q instanceof PfifoFast) return `bands 3 priomap ${[...PRIO_TO_BAND].join(' ')}`;
  if (q instanceof Prio) return `bands ${String(q.bands.length)} priomap ${[...q.priomap].join(' ')}`;
  if (q instanceof Tbf) return showTbf(q);
  if (q instanceof Codel) return `limit ${String(q.limit)}p ${showLaw(q.params)}${q.params.ecn ? 'ecn ' : ''}`;
  if (q instanceof FqCodel) {
    return `limit ${String(q.limit)}p flows ${String(q.flowsCount)} quantum ${String(q.quantum)} ${showLaw(q.params)}`
      + `memory_limit ${showSize(q.memoryLimit)} ${q.params.ecn ? 'ecn ' : ''}drop_batch ${String(q.dropBatch)} `;
  }
  if (q instanceof Fq) return showFq(q);
  if (q instanceof Htb) return showHtb(q);
  return q instanceof Netem ? showNetem(q) : '';
}

function showLaw(p: CodelParams): string {
  const ce = p.ceThreshold === Infinity ? '' : `ce_threshold ${showTime(p.ceThreshold)} `;
  return `target ${showTime(p.target)} ${ce}interval ${showTime(p.interval)} `;
}

function showTbf(q: Tbf): string {
  const bits = q.rate.bytesPerSecond * 8;
  const { peak } = q;
  let s = `rate ${showRate(bits)} burst ${showSize(q.burst)} `;
  if (peak !== null) s += `peakrate ${showRate(peak.bytesPerSecond * 8)} minburst ${showSize(q.mtu)} `;
  const latency = ((q.limit - q.burst) / q.rate.bytesPerSecond) * 1e9;
  const peakLatency = peak === null ? 0 : ((q.limit - q.mtu) / peak.bytesPerSecond) * 1e9;
  s += latency >= 0 ? `lat ${showTime(Math.round(Math.max(latency, peakLatency)))} ` : `limit ${showSize(q.limit)} `;
  if (q.rate.overhead > 0) s += `overhead ${String(q.rate.overhead)} `;
  if (q.rate.mpu > 0) s += `mpu ${String(q.rate.mpu)} `;
  return q.rate.cells ? `${s}linklayer atm ` : s;
}

function showHtb(q: Htb): string {
  const to = q.defaultClass === 0 ? '0' : `0x${hex(q.defaultClass)}`;
  return `r2q ${String(q.r2q)} default ${to} direct_packets_stat ${String(q.directPackets)} direct_qlen ${String(q.directQlen)}`;
}

function showFq(q: Fq): string {
  const words = [
    `limit ${String(q.limit)}p flow_limit ${String(q.flowLimit)}p buckets ${String(q.buckets.length)} orphan_mask ${String(q.orphanMask)}`,
    `bands 3 priomap ${[...q.priomap].join(' ')} weights ${q.bands.map((band) => String(band.weight)).join(' ')}`,
    ...(q.pacing ? [] : ['nopacing']),
    `quantum ${String(q.quantum)}b initial_quantum ${String(q.initialQuantum)}b`,
    ...(q.maxrate === Infinity ? [] : [`maxrate ${showRate(q.maxrate * 8)}`]),
    `low_rate_threshold ${showRate(q.lowRateThreshold * 8)} refill_delay ${showTime(q.refillDelay)}`,
    ...(q.ceThreshold === Infinity ? [] : [`ce_threshold ${showTime(q.ceThreshold)}`]),
    `horizon ${showTime(q.horizon)} horizon_${q.horizonDrop ? 'drop' : 'cap'}`,
  ];
  return `${words.join(' ')} `;
}

function showNetem(q: Netem): string {
  const p = q.params;
  let s = `limit ${String(p.limit)}`;
  if (p.delay > 0 || p.jitter > 0) s += ` delay ${showTime(p.delay)}`;
  if (p.jitter > 0) s += `  ${showTime(p.jitter)}${p.correlation.rho > 0 ? ` ${showPercent(p.correlation.rho)}` : ''}`;
  if (p.distribution !== 'uniform') s += ` distribution ${p.distribution}`;
  if (p.loss !== null) s += showLoss(p.loss);
  s += showChance('duplicate', p.duplicate) + showChance('reorder', p.reorder) + showChance('corrupt', p.corrupt);
  if (p.rate > 0) s += ` rate ${showRate(p.rate * 8)}`;
  if (p.packetOverhead !== 0) s += ` packetoverhead ${String(p.packetOverhead)}`;
  if (p.cellSize !== 0) s += ` cellsize ${String(p.cellSize)}`;
  if (p.cellOverhead !== 0) s += ` celloverhead ${String(p.cellOverhead)}`;
  if (p.slot !== null) s += showSlot(p.slot);
  if (p.ecn) s += ' ecn';
  if (p.gap > 0) s += ` gap ${String(p.gap)}`;
  return p.seed === null ? s : `${s} seed ${String(p.seed)}`;
}

function showChance(name: string, c: EventChance): string {
  return c.p === 0 ? '' : ` ${name} ${showPercent(c.p)}${c.cor.rho > 0 ? ` ${showPercent(c.cor.rho)}` : ''}`;
}

function showLoss(loss: LossModel): string {
  if (loss instanceof RandomLoss) return ` loss ${showPercent(loss.p)}${loss.cor.rho > 0 ? ` ${showPercent(loss.cor.rho)}` : ''}`;
  if (loss instanceof GilbertElliott) {
    return ` loss gemodel p ${showPercent(loss.p)} r ${showPercent(loss.r)} 1-h ${showPercent(1 - loss.h)} 1-k ${showPercent(1 - loss.k)}`;
  }
  if (loss instanceof StateLoss) {
    return ` loss state p13 ${showPercent(loss.p13)} p31 ${showPercent(loss.p31)} p32 ${showPercent(loss.p32)} p23 ${showPercent(loss.p23)}`
      + ` p14 ${showPercent(loss.p14)}`;
  }
  return ' loss trace';
}

function showSlot(slot: Slot): string {
  const times = slot.distribution === null
    ? `${showTime(slot.min)} ${showTime(slot.max)}` : `distribution ${slot.distribution} ${showTime(slot.min)} ${showTime(slot.jitter)}`;
  const packets = slot.packets === Infinity ? '' : ` packets ${String(slot.packets)}`;
  return ` slot ${times}${packets}${slot.bytes === Infinity ? '' : ` bytes ${String(slot.bytes)}`}`;
}

function ownStats(q: Qdisc): string[] {
  const n = String;
  if (q instanceof Codel) {
    const { vars, stats } = q;
    const lines = [
      `  count ${n(vars.count)} lastcount ${n(vars.lastCount)} ldelay ${showTime(vars.ldelay)}${vars.dropping ? ' dropping' : ''}`
      + ` drop_next ${showTime(Math.max(0, vars.dropNext - q.dev.net.cpu.now))}`,
      `  maxpacket ${n(stats.maxPacket)} ecn_mark ${n(stats.ecnMark)} drop_overlimit ${n(q.dropOverlimit)}`,
    ];
    return stats.ceMark > 0 ? [...lines, `  ce_mark ${n(stats.ceMark)}`] : lines;
  }
  if (q instanceof FqCodel) {
    const { stats } = q;
    const more = [
      ...(stats.ceMark > 0 ? [` ce_mark ${n(stats.ceMark)}`] : []), ...(q.memoryUsage > 0 ? [` memory_used ${n(q.memoryUsage)}`] : []),
      ...(q.dropOvermemory > 0 ? [` drop_overmemory ${n(q.dropOvermemory)}`] : []),
    ];
    return [
      `  maxpacket ${n(stats.maxPacket)} drop_overlimit ${n(q.dropOverlimit)} new_flow_count ${n(q.newFlowCount)}`
      + ` ecn_mark ${n(stats.ecnMark)}${more.join('')}`,
      `  new_flows_len ${n(q.newFlows.length)} old_flows_len ${n(q.oldFlows.length)}`,
    ];
  }
  if (!(q instanceof Fq)) return [];
  const { stat } = q;
  const more = [
    ...(stat.flowsPlimit > 0 ? [` flows_plimit ${n(stat.flowsPlimit)}`] : []),
    ...q.bands.flatMap((band, i) => (band.drops > 0 ? [` band${n(i)}_drops ${n(band.drops)}`] : [])),
    ...(stat.pktsTooLong > 0 ? [` pkts_too_long ${n(stat.pktsTooLong)}`] : []),
    ...(stat.ceMark > 0 ? [` ce_mark ${n(stat.ceMark)}`] : []),
    ...(stat.horizonDrops > 0 ? [` horizon_drops ${n(stat.horizonDrops)}`] : []),
    ...(stat.horizonCaps > 0 ? [` horizon_caps ${n(stat.horizonCaps)}`] : []),
  ];
  return [
    `  flows ${n(q.flows)} (inactive ${n(q.inactiveFlows)} throttled ${n(q.throttledFlows)})`,
    `  gc ${n(stat.gcFlows)} highprio ${n(stat.highprioPackets)} throttled ${n(stat.throttled)}${more.join('')}`,
  ];
}
