/** nodemailer and smtp-server: a letter with an attachment, authentication, and the timeouts of each phase. */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import nodemailer from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  readonly source: string;
}

/** A post office that keeps what it gets. `slow`: milliseconds before it greets. */
function open({ server, after }: Stage, slow = 0): Letter[] {
  const letters: Letter[] = [];
  const office = server.run(() => new SMTPServer({
    disabledCommands: ['STARTTLS'], authOptional: true, allowInsecureAuth: true, disableReverseLookup: true, closeTimeout: 100,
    onConnect: (_session, done) => void setTimeout(done, slow),
    onAuth: ({ username, password }, _session, done) => password === 'secret'
      ? done(null, { user: username }) : done(new Error('no such user')),
    onRcptTo: ({ address }, _session, done) => address.endsWith('@full') ? done(new Error('the box is full')) : done(),
    onData(stream, { envelope }, done) {
      void text(stream).then((source) => {
        letters.push({ from: (envelope.mailFrom as { address: string }).address, to: envelope.rcptTo.map((r) => r.address), source });
        done(null);
      });
    },
  }).on('error', () => undefined));
  server.run(() => office.listen(25));
  after(() => new Promise<void>((resolve) => void office.close(() => resolve())));
  return letters;
}

const LETTER = { from: 'ann@client', to: 'ben@server', subject: 'cups', text: 'a blue one', messageId: '<1@client>' };

program('nodemailer', {
  random: 'boundaries of multipart letters are drawn by crypto', calmMs: [220, 245], roughMs: [12 * ROUGH_RTT, 15_000],
}, async (stage) => {
  const letters = open(stage);
  await stage.client.run(async () => {
    const transport = nodemailer.createTransport({ host: 'server', port: 25, ignoreTLS: true, auth: { user: 'ann', pass: 'secret' } });
    const sent = await transport.sendMail({ ...LETTER, attachments: [{ filename: 'cup.bin', content: Buffer.alloc(50_000, 'cup') }] });
    assert.deepEqual([sent.accepted, sent.rejected], [['ben@server'], []]);
    const [letter] = letters;
    assert.deepEqual([letter!.from, letter!.to], ['ann@client', ['ben@server']]);
    assert.match(letter!.source, /^Subject: cups\r$/m);
    assert.ok(letter!.source.length > 65_000);
    const full = await failure(transport.sendMail({ ...LETTER, to: 'eve@full' }));
    assert.deepEqual([full.code, Reflect.get(full, 'responseCode')], ['EENVELOPE', 550]);
    transport.close();
  });
});

fault('nodemailer: a wrong password, a late greeting, a dead connection: EAUTH, ETIMEDOUT, ECONNECTION', async (stage) => {
  open(stage, 20_000);
  await stage.client.run(async () => {
    const login = { host: 'server', port: 25, ignoreTLS: true, auth: { user: 'ann', pass: 'wrong' } };
    const wrong = await failure(nodemailer.createTransport(login).sendMail(LETTER));
    assert.equal(wrong.code, 'EAUTH');
    const begun = stage.elapsed();
    const late = await failure(nodemailer.createTransport({ ...login, greetingTimeout: 5000 }).sendMail(LETTER));
    assert.deepEqual([late.code, late.message], ['ETIMEDOUT', 'Greeting never received']);
    within(stage.elapsed() - begun, [5000, 5010]);

    setTimeout(() => void stage.world.fault({ kind: 'kill', host: 'server' }), 1000);
    const lost = await failure(nodemailer.createTransport(login).sendMail(LETTER));
    assert.equal(lost.code, 'ECONNECTION');
  });
});
