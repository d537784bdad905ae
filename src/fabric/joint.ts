/**
 * What joins cables: a switch or a hub, as the plan of a world sees it. A joint is one or more domains (the VLANs of a
 * switch; what a hub is to each tag), and a frame that comes in by a port belongs to one of them.
 */
import type { Port } from './port.ts';

export interface Joint {
  readonly name: string;
  /** It breaks loops by itself (STP). */
  readonly breaksLoops: boolean;
  /** All its ports, in their order. */
  readonly ports: readonly Port[];
  /** A port to plug a cable into: the first free one, or a new one. */
  freePort(): Port;
  /** The domain of a frame that comes in by `port` with the tag `vid` (0: none); -1: it is refused. */
  domainIn(port: Port, vid: number): number;
  /** The tag with which a frame of a domain leaves by `port` (0: none); -1: it does not. */
  tagOut(port: Port, domain: number): number;
  /** The domains that are named in its configuration. */
  domains(): readonly number[];
}
