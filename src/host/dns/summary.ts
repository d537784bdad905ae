/** A DNS message in a few words, in the manner of tcpdump: `A? www.example.com`, `NXDOMAIN 0/1/0`, `1/0/1 A 10.0.0.80`. */
import { decodeMessage, rcodeName, type DnsRecord } from './message.ts';

/** Answers that are named; the others are in the count. */
const ANSWERS_MAX = 4;

/** What a message asks or answers; empty when it cannot be read. */
export function dnsSummary(bytes: Uint8Array): string {
  const m = decodeMessage(bytes);
  if (m === null) return '';
  const asked = m.questions.map(({ name, type }) => `${type}? ${name}`).join(', ');
  if (!m.response) return asked;
  const rcode = m.rcode === 0 ? '' : `${rcodeName(m.rcode)} `;
  const counts = [m.answers.length, m.authorities.length, m.additionals.length].join('/');
  const shown = m.answers.length > 0 ? m.answers : m.authorities;
  const records = shown.slice(0, ANSWERS_MAX).map(brief).join(', ');
  return `${asked} → ${rcode}${counts}${records === '' ? '' : ` ${records}`}`;
}

function brief({ name, type, data }: DnsRecord): string {
  return typeof data === 'string' ? `${type} ${data}` : `${type} ${name}`;
}
