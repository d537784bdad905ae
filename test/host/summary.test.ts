/** DNS messages in a few words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage, Message } from '../../src/host/dns/message.ts';
import { dnsSummary } from '../../src/host/dns/summary.ts';

test('a question, an answer, a refusal, and what is no message', () => {
  const question = Message.query(7, 'www.example.com', 'A', true, 512);
  assert.equal(dnsSummary(encodeMessage(question)), 'A? www.example.com');
  const answer = Message.reply(question, 0);
  const record = { name: 'www.example.com', ttl: 300, class: 'IN', type: 'A' } as const;
  for (let i = 1; i <= 5; i++) answer.answers.push({ ...record, data: `10.0.0.${String(i)}` });
  const four = 'A 10.0.0.1, A 10.0.0.2, A 10.0.0.3, A 10.0.0.4';
  assert.equal(dnsSummary(encodeMessage(answer)), `A? www.example.com → 5/0/0 ${four}`);
  assert.equal(dnsSummary(encodeMessage(Message.reply(question, 3))), 'A? www.example.com → NXDOMAIN 0/0/0');
  assert.equal(dnsSummary(new Uint8Array(5)), '');
});
