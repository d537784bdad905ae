/**
 * A host's counters, under Linux's exact names (`nstat` prints them): one Float64Array per host, indexed by these
 * numbers. A counter stands beside the decision that it counts: `net.mib[Mib.TcpRetransSegs]!++`.
 */
const names = [
  'IpInReceives', 'IpInHdrErrors', 'IpInAddrErrors', 'IpInUnknownProtos',
  'IpInDelivers', 'IpOutRequests', 'IpOutDiscards', 'IpOutNoRoutes', 'IpOutTransmits', 'IpForwDatagrams', 'IpReasmTimeout', 'IpReasmReqds',
  'IpReasmOKs', 'IpReasmFails', 'IpFragOKs', 'IpFragFails', 'IpFragCreates',
  'IpExtInNoRoutes', 'IpExtInTruncatedPkts', 'IpExtInCsumErrors', 'IpExtInBcastPkts', 'IpExtOutBcastPkts', 'IpExtInMcastPkts',
  'IpExtOutMcastPkts', 'IpExtInOctets', 'IpExtOutOctets', 'IpExtInNoECTPkts', 'IpExtInECT1Pkts', 'IpExtInECT0Pkts', 'IpExtInCEPkts',
  'IpExtReasmOverlaps',
  'IcmpInMsgs', 'IcmpInErrors', 'IcmpInCsumErrors', 'IcmpInDestUnreachs', 'IcmpInTimeExcds', 'IcmpInParmProbs',
  'IcmpInRedirects', 'IcmpInEchos', 'IcmpInEchoReps', 'IcmpOutMsgs', 'IcmpOutErrors', 'IcmpOutDestUnreachs',
  'IcmpOutTimeExcds', 'IcmpOutParmProbs', 'IcmpOutEchos', 'IcmpOutEchoReps', 'IcmpOutRateLimitHost', 'IcmpOutRateLimitGlobal',
  'TcpActiveOpens', 'TcpPassiveOpens', 'TcpAttemptFails', 'TcpEstabResets', 'TcpInSegs', 'TcpOutSegs',
  'TcpRetransSegs', 'TcpInErrs', 'TcpOutRsts', 'TcpInCsumErrors',
  'UdpInDatagrams', 'UdpNoPorts', 'UdpInErrors', 'UdpOutDatagrams', 'UdpRcvbufErrors', 'UdpSndbufErrors',
  'UdpInCsumErrors', 'UdpIgnoredMulti', 'UdpMemErrors',
  'TcpExtSyncookiesSent', 'TcpExtSyncookiesRecv', 'TcpExtSyncookiesFailed', 'TcpExtEmbryonicRsts', 'TcpExtPruneCalled',
  'TcpExtRcvPruned', 'TcpExtOfoPruned', 'TcpExtOutOfWindowIcmps', 'TcpExtTW', 'TcpExtTWRecycled', 'TcpExtPAWSActive',
  'TcpExtPAWSEstab', 'TcpExtPAWSOldAck', 'TcpExtDelayedACKs', 'TcpExtDelayedACKLost', 'TcpExtListenOverflows',
  'TcpExtListenDrops', 'TcpExtTCPHPHits', 'TcpExtTCPPureAcks', 'TcpExtTCPHPAcks', 'TcpExtTCPRenoRecovery', 'TcpExtTCPSackRecovery',
  'TcpExtTCPSACKReneging', 'TcpExtTCPSACKReorder', 'TcpExtTCPRenoReorder', 'TcpExtTCPTSReorder', 'TcpExtTCPFullUndo',
  'TcpExtTCPPartialUndo', 'TcpExtTCPDSACKUndo', 'TcpExtTCPLossUndo', 'TcpExtTCPLostRetransmit', 'TcpExtTCPRenoFailures',
  'TcpExtTCPSackFailures', 'TcpExtTCPLossFailures', 'TcpExtTCPFastRetrans', 'TcpExtTCPSlowStartRetrans', 'TcpExtTCPTimeouts',
  'TcpExtTCPLossProbes', 'TcpExtTCPLossProbeRecovery', 'TcpExtTCPRenoRecoveryFail', 'TcpExtTCPSackRecoveryFail',
  'TcpExtTCPRcvCollapsed', 'TcpExtTCPDSACKOldSent', 'TcpExtTCPDSACKOfoSent', 'TcpExtTCPDSACKRecv',
  'TcpExtTCPDSACKOfoRecv', 'TcpExtTCPAbortOnData', 'TcpExtTCPAbortOnClose', 'TcpExtTCPAbortOnMemory',
  'TcpExtTCPAbortOnTimeout', 'TcpExtTCPAbortOnLinger',
  'TcpExtTCPSACKDiscard', 'TcpExtTCPDSACKIgnoredOld', 'TcpExtTCPDSACKIgnoredNoUndo', 'TcpExtTCPSpuriousRTOs',
  'TcpExtTCPSackMerged', 'TcpExtTCPDeferAcceptDrop',
  'TcpExtTCPTimeWaitOverflow', 'TcpExtTCPReqQFullDoCookies', 'TcpExtTCPReqQFullDrop', 'TcpExtTCPRetransFail', 'TcpExtTCPRcvCoalesce',
  'TcpExtTCPOFOQueue', 'TcpExtTCPOFODrop', 'TcpExtTCPOFOMerge', 'TcpExtTCPChallengeACK', 'TcpExtTCPSYNChallenge',
  'TcpExtTCPSpuriousRtxHostQueues', 'TcpExtTCPAutoCorking', 'TcpExtTCPFromZeroWindowAdv', 'TcpExtTCPToZeroWindowAdv',
  'TcpExtTCPWantZeroWindowAdv', 'TcpExtTCPSynRetrans', 'TcpExtTCPOrigDataSent', 'TcpExtTCPHystartTrainDetect',
  'TcpExtTCPHystartTrainCwnd', 'TcpExtTCPHystartDelayDetect', 'TcpExtTCPHystartDelayCwnd',
  'TcpExtTCPACKSkippedSynRecv', 'TcpExtTCPACKSkippedPAWS', 'TcpExtTCPACKSkippedSeq', 'TcpExtTCPACKSkippedFinWait2',
  'TcpExtTCPACKSkippedTimeWait', 'TcpExtTCPACKSkippedChallenge', 'TcpExtTCPWinProbe', 'TcpExtTCPKeepAlive',
  'TcpExtTCPDelivered', 'TcpExtTCPAckCompressed', 'TcpExtTCPZeroWindowDrop',
  'TcpExtTCPRcvQDrop', 'TcpExtBeyondWindow', 'TcpExtTSEcrRejected', 'TcpExtTCPOrphanOverflow',
  'TcpExtTCPMD5Unexpected',
] as const;

export type MibName = (typeof names)[number];

/** Index of each counter in `net.mib`. */
export const Mib: Readonly<Record<MibName, number>> = Object.fromEntries(names.map((name, i) => [name, i])) as Record<MibName, number>;

/** The counters in the order that `nstat` prints them. */
export const MIB_NAMES: readonly MibName[] = names;
