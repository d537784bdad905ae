/** Makes a case that differs shorter: leaves out steps, many ways at a time, as long as the same kind of difference remains. */
import type { Case } from './case.ts';
import { kindOf, runBoth, type Outcome } from './both.ts';

const ROUNDS = 12;
/** Without these, microseconds decide. */
const NOISE: readonly string[] = ['net.ipv4.tcp_comp_sack_nr'];

export async function shrink(outcome: Outcome, parallel: number): Promise<Outcome> {
  const kind = kindOf(outcome.why);
  let best = outcome;
  for (let round = 0; round < ROUNDS; round++) {
    const candidates = shorter(best.case);
    if (candidates.length === 0) return best;
    const same = (await runBoth(candidates, parallel)).filter((o) => kindOf(o.why) === kind);
    if (same.length === 0) return best;
    const again = (await runBoth(same.map((o) => o.case), parallel)).filter((o) => kindOf(o.why) === kind);
    if (again.length === 0) return best;
    best = again.reduce((a, b) => (b.case.steps.length < a.case.steps.length ? b : a));
  }
  return best;
}

/** The case without one piece, for every piece of some lengths; and without a sysctl. */
function shorter(c: Case): Case[] {
  const n = c.steps.length;
  const found: Case[] = [];
  for (const size of [Math.ceil(n / 2), Math.ceil(n / 4), 2, 1]) {
    for (let at = 0; at + size <= n; at += Math.max(1, size >> 1)) {
      if (c.steps.slice(at, at + size).some((step) => /^(socket|bind) /.test(step))) continue;
      found.push({ ...c, steps: [...c.steps.slice(0, at), ...c.steps.slice(at + size)] });
    }
  }
  for (const name of Object.keys(c.sysctl ?? {}).filter((n) => !NOISE.includes(n))) {
    const { [name]: _, ...rest } = c.sysctl!;
    found.push({ ...c, sysctl: rest });
  }
  return found;
}
