/** pg, against PGlite (PostgreSQL in WebAssembly) behind its own socket server: queries, a pool, and connections that die. */
import assert from 'node:assert/strict';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { event, failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

/** One database for all stories: it takes a second to start. */
const db = await PGlite.create();

async function open({ server, after }: Stage): Promise<void> {
  const socketServer = server.run(() => new PGLiteSocketServer({ db, port: 5432, host: '0.0.0.0', maxConnections: 10 }));
  await server.run(() => socketServer.start());
  after(() => socketServer.stop());
}

const login = { host: 'server', user: 'postgres', database: 'postgres', password: 'postgres' };

program('pg', {
  random: 'RowDescription has the object numbers of tables, which go on counting', calmMs: [25, 36], roughMs: [8 * ROUGH_RTT, 12_000],
}, async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const client = new pg.Client(login);
    await client.connect();
    await client.query('drop table if exists cups; create table cups (id serial primary key, name text not null)');
    await client.query('begin');
    for (const name of ['blue', 'red']) await client.query('insert into cups (name) values ($1)', [name]);
    await client.query('commit');
    assert.deepEqual((await client.query('select * from cups order by id')).rows, [{ id: 1, name: 'blue' }, { id: 2, name: 'red' }]);
    const wrong = await failure<pg.DatabaseError>(client.query('insert into cups (name) values ($1)', [null]));
    assert.deepEqual([wrong.code, wrong.column], ['23502', 'name']);
    const { rows } = await client.query<{ s: string }>('select repeat($1, 20000) as s', ['cup ']);
    assert.equal(rows[0]!.s.length, 80_000);
    await client.end();
  });
});

fault('pg: a server that is killed during a query: "Connection terminated unexpectedly", at once', async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const client = new pg.Client(login).on('error', () => undefined);
    await client.connect();
    const answer = failure(client.query('select count(*) from generate_series(1, 10)'));
    const begun = stage.elapsed();
    stage.world.fault({ kind: 'kill', host: 'server' });
    assert.equal((await answer).message, 'Connection terminated unexpectedly');
    within(stage.elapsed() - begun, [1, 3]);
  });
});

fault('pg: a machine that loses power during a query is missed after 15 minutes; query_timeout is the cure', async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const [patient, wise] = [{}, { query_timeout: 5000 }]
      .map((options) => new pg.Client({ ...login, ...options, keepAlive: true }).on('error', () => undefined));
    await Promise.all([patient!.connect(), wise!.connect()]);
    const begun = stage.elapsed();
    stage.server.crash();
    const waits = failure(patient!.query('select 1'));
    assert.equal((await failure(wise!.query('select 1'))).message, 'Query read timeout');
    within(stage.elapsed() - begun, [5000, 5001]);
    wise!.end().catch(() => undefined);

    // Keepalive does not ask while data waits for its acknowledgement: net.ipv4.tcp_retries2 counts, 15 retransmissions.
    const error = await waits;
    assert.deepEqual([error.code, error.syscall], ['EHOSTUNREACH', 'read']);
    within(stage.elapsed() - begun, [924_000, 945_000]);
  });
});

fault('pg: a pool drops an idle client that a partition cut off, tells so by "error", and goes on with a new one', async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const pool = new pg.Pool({
      ...login, max: 1, idleTimeoutMillis: 0, connectionTimeoutMillis: 2000, keepAlive: true, keepAliveInitialDelayMillis: 10_000,
    });
    stage.after(() => pool.end());
    const lost = event<NodeJS.ErrnoException>(pool, 'error');
    await pool.query('select 1');
    stage.world.partition([stage.client], [stage.server]);
    assert.equal((await lost).code, 'ETIMEDOUT');
    within(stage.elapsed(), [20_000, 20_100]); // ten seconds, then libuv's ten probes, one each second
    assert.equal(pool.totalCount, 0);
    assert.match((await failure(pool.query('select 1'))).message, /timeout/);
    stage.world.heal();
    assert.equal((await pool.query<{ two: number }>('select 2 as two')).rows[0]!.two, 2);
  });
});
