/** Types of routes and their makers that only IPv6 has, or has first (Linux: RTN_*, RTPROT_*). The others are in `ip/fib.ts`. */

/** To the nearest of many: the subnet-router anycast address of a router's networks (RFC 4291 §2.6.1). */
export const RTN_ANYCAST = 4;
/** As if the table had no route. */
export const RTN_THROW = 9;
/** Learned from a redirect, from a router advertisement. */
export const RTPROT_REDIRECT = 1;
export const RTPROT_RA = 9;

/** Metrics: of what an administrator adds, and of the networks of a device's addresses. */
export const IP6_RT_PRIO_USER = 1024;
export const IP6_RT_PRIO_ADDRCONF = 256;
