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
  'IcmpOutTimeExcds', 'IcmpOutParmProbs', 'IcmpOutEchos', 'IcmpOutEchoReps', 'IcmpOutRedirects', 'IcmpOutRateLimitHost',
  'IcmpOutRateLimitGlobal',
  'TcpActiveOpens', 'TcpPassiveOpens', 'TcpAttemptFails', 'TcpEstabResets', 'TcpInSegs', 'TcpOutSegs',
  'TcpRetransSegs', 'TcpInErrs', 'TcpOutRsts', 'TcpInCsumErrors',
  'UdpInDatagrams', 'UdpNoPorts', 'UdpInErrors', 'UdpOutDatagrams', 'UdpRcvbufErrors', 'UdpSndbufErrors',
  'UdpInCsumErrors', 'UdpIgnoredMulti', 'UdpMemErrors',
  'Ip6InReceives', 'Ip6InHdrErrors', 'Ip6InTooBigErrors', 'Ip6InNoRoutes', 'Ip6InAddrErrors', 'Ip6InUnknownProtos', 'Ip6InTruncatedPkts',
  'Ip6InDiscards', 'Ip6InDelivers', 'Ip6OutForwDatagrams', 'Ip6OutRequests', 'Ip6OutDiscards', 'Ip6OutNoRoutes', 'Ip6OutTransmits',
  'Ip6ReasmTimeout', 'Ip6ReasmReqds', 'Ip6ReasmOKs', 'Ip6ReasmFails', 'Ip6FragOKs', 'Ip6FragFails', 'Ip6FragCreates',
  'Ip6InMcastPkts', 'Ip6OutMcastPkts', 'Ip6InOctets', 'Ip6OutOctets', 'Ip6InMcastOctets', 'Ip6OutMcastOctets',
  'Ip6InNoECTPkts', 'Ip6InECT1Pkts', 'Ip6InECT0Pkts', 'Ip6InCEPkts',
  'Icmp6InMsgs', 'Icmp6InErrors', 'Icmp6OutMsgs', 'Icmp6OutErrors', 'Icmp6InCsumErrors', 'Icmp6OutRateLimitHost',
  'Icmp6InDestUnreachs', 'Icmp6InPktTooBigs', 'Icmp6InTimeExcds', 'Icmp6InParmProblems', 'Icmp6InEchos', 'Icmp6InEchoReplies',
  'Icmp6InGroupMembQueries', 'Icmp6InGroupMembResponses', 'Icmp6InGroupMembReductions', 'Icmp6InRouterSolicits',
  'Icmp6InRouterAdvertisements', 'Icmp6InNeighborSolicits', 'Icmp6InNeighborAdvertisements', 'Icmp6InRedirects', 'Icmp6InMLDv2Reports',
  'Icmp6OutDestUnreachs', 'Icmp6OutPktTooBigs', 'Icmp6OutTimeExcds', 'Icmp6OutParmProblems', 'Icmp6OutEchos', 'Icmp6OutEchoReplies',
  'Icmp6OutGroupMembResponses', 'Icmp6OutGroupMembReductions', 'Icmp6OutRouterSolicits', 'Icmp6OutRouterAdvertisements',
  'Icmp6OutNeighborSolicits', 'Icmp6OutNeighborAdvertisements', 'Icmp6OutRedirects', 'Icmp6OutMLDv2Reports',
  'Udp6InDatagrams', 'Udp6NoPorts', 'Udp6InErrors', 'Udp6OutDatagrams', 'Udp6RcvbufErrors', 'Udp6SndbufErrors',
  'Udp6InCsumErrors', 'Udp6IgnoredMulti', 'Udp6MemErrors',
  'TcpExtSyncookiesSent', 'TcpExtSyncookiesRecv', 'TcpExtSyncookiesFailed', 'TcpExtEmbryonicRsts', 'TcpExtPruneCalled',
  'TcpExtRcvPruned', 'TcpExtOfoPruned', 'TcpExtOutOfWindowIcmps', 'TcpExtTW', 'TcpExtTWRecycled', 'TcpExtTWKilled', 'TcpExtPAWSActive',
  'TcpExtPAWSEstab', 'TcpExtPAWSOldAck', 'TcpExtPAWSTimewait', 'TcpExtDelayedACKs', 'TcpExtDelayedACKLost', 'TcpExtListenOverflows',
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
  'TcpExtTCPMTUPFail', 'TcpExtTCPMTUPSuccess',
  'TcpExtTCPOFOQueue', 'TcpExtTCPOFODrop', 'TcpExtTCPOFOMerge', 'TcpExtTCPChallengeACK', 'TcpExtTCPSYNChallenge',
  'TcpExtTCPSpuriousRtxHostQueues', 'TcpExtTCPAutoCorking', 'TcpExtTCPFromZeroWindowAdv', 'TcpExtTCPToZeroWindowAdv',
  'TcpExtTCPWantZeroWindowAdv', 'TcpExtTCPSynRetrans', 'TcpExtTCPOrigDataSent', 'TcpExtTCPHystartTrainDetect',
  'TcpExtTCPHystartTrainCwnd', 'TcpExtTCPHystartDelayDetect', 'TcpExtTCPHystartDelayCwnd',
  'TcpExtTCPACKSkippedSynRecv', 'TcpExtTCPACKSkippedPAWS', 'TcpExtTCPACKSkippedSeq', 'TcpExtTCPACKSkippedFinWait2',
  'TcpExtTCPACKSkippedTimeWait', 'TcpExtTCPACKSkippedChallenge', 'TcpExtTCPWinProbe', 'TcpExtTCPKeepAlive',
  'TcpExtTCPDelivered', 'TcpExtTCPDeliveredCE',
  'TcpExtTCPFastOpenActive', 'TcpExtTCPFastOpenActiveFail', 'TcpExtTCPFastOpenPassive', 'TcpExtTCPFastOpenPassiveFail',
  'TcpExtTCPFastOpenListenOverflow', 'TcpExtTCPFastOpenCookieReqd', 'TcpExtTCPFastOpenBlackhole', 'TcpExtTCPFastOpenPassiveAltKey',
  'TcpExtTCPAckCompressed', 'TcpExtTCPZeroWindowDrop',
  'TcpExtTCPMemoryPressures', 'TcpExtTCPMemoryPressuresChrono',
  'TcpExtTCPRcvQDrop', 'TcpExtBeyondWindow', 'TcpExtTSEcrRejected', 'TcpExtTCPOrphanOverflow',
  'TcpExtTCPMD5NotFound', 'TcpExtTCPMD5Unexpected', 'TcpExtTCPMD5Failure',
  'TcpExtTcpTimeoutRehash', 'TcpExtTcpDuplicateDataRehash',
  'TcpExtTCPAORequired', 'TcpExtTCPAOBad', 'TcpExtTCPAOKeyNotFound', 'TcpExtTCPAOGood', 'TcpExtTCPAODroppedIcmps',
] as const;

export type MibName = (typeof names)[number];

/** Index of each counter in `net.mib`. */
export const Mib: Readonly<Record<MibName, number>> = Object.fromEntries(names.map((name, i) => [name, i])) as Record<MibName, number>;

/** The counters in the order that `nstat` prints them. */
export const MIB_NAMES: readonly MibName[] = names;
