/**
 * Through the runtime's own socket classes: the same body over the real loopback and over a kernel's loopback.
 */
import dgram from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import { World } from '../mod.ts';
import { BODIES } from './bodies.ts';
import type { Measurement } from './harness.ts';

export function socketMeasurements(scale: number): Measurement[] {
  return BODIES.map((body) => {
    const { name, unit, note, rounds } = body;
    const n = Math.max(1, Math.round(body.count * scale));
    return {
      name, unit, note, rounds, better: 'higher',
      // A fresh world with one host, for one turn: nothing warm but the code.
      ours: () => body.run(new World({ seed: 1 }).host('bench'), n),
      real: () => body.run({ net, dgram, http }, n),
    };
  });
}
