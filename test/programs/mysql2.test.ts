/** mysql2, its client and its server: text queries, a pool, and a server that dies. */
import assert from 'node:assert/strict';
import mysql, { type RowDataPacket } from 'mysql2';
import { createConnection, createPool } from 'mysql2/promise';
import { failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

const COLUMN = {
  catalog: 'def', columnLength: 255, characterSet: 33, schema: 'shop', table: 'cups', orgTable: 'cups', columnType: 253, flags: 0,
  decimals: 0,
};
const COLUMNS = ['name', 'price'].map((name) => ({ ...COLUMN, name, orgName: name }));
const CUPS = [{ name: 'blue', price: '3' }, { name: 'red', price: '4' }];

type Served = mysql.Connection & {
  sequenceId: number;
  serverHandshake(options: object): void;
  writeTextResult(rows: unknown[], columns: unknown[]): void;
  writeError(error: object): void;
};

/** A server that knows `select * from cups`, never answers `select sleep`, and calls all else a mistake. */
function open({ server, after }: Stage): void {
  const shop = server.run(() => mysql.createServer((connection) => {
    const served = connection as Served;
    served.serverHandshake({
      protocolVersion: 10, serverVersion: '8.0.0', connectionId: 7, statusFlags: 2, characterSet: 33, capabilityFlags: 0xffffff ^ 0x800,
      authCallback(_login: object, done: (error: null) => void) {
        done(null);
        served.sequenceId = 0;
      },
    });
    served.on('error', () => undefined);
    served.on('query', (sql: string) => {
      served.sequenceId = 1; // each command counts its packets anew, and the server leaves that to its user
      if (sql === 'select * from cups') served.writeTextResult(CUPS, COLUMNS);
      else if (sql !== 'select sleep') served.writeError({ code: 1064, message: `what is '${sql}'?` });
      served.sequenceId = 0;
    });
  }));
  server.run(() => shop.listen(3306));
  after(() => shop.close(() => undefined));
}

const login = { host: 'server', user: 'ann', database: 'shop' };

program('mysql2', {
  random: 'the challenge of the handshake is drawn by crypto', calmMs: [230, 255], roughMs: [6 * ROUGH_RTT, 9000],
}, async (stage) => {
  open(stage);
  await stage.client.run(async () => {
    const connection = await createConnection(login);
    const [rows] = await connection.query<RowDataPacket[]>('select * from cups');
    assert.deepEqual(rows.map((row) => ({ ...row })), CUPS);
    const wrong = await failure(connection.query('selekt'));
    assert.deepEqual([wrong.code, wrong.message], ['ER_PARSE_ERROR', 'what is \'selekt\'?']);
    await connection.end();

    const pool = createPool({ ...login, connectionLimit: 3 });
    const all = await Promise.all(Array.from({ length: 10 }, () => pool.query<RowDataPacket[]>('select * from cups')));
    assert.equal(all.flatMap(([some]) => some).length, 20);
    await pool.end();
  });
});

fault('mysql2: a server that is killed during a query: PROTOCOL_CONNECTION_LOST; then ECONNREFUSED', async (stage) => {
  open(stage);
  await stage.client.run(async () => {
    const connection = await createConnection(login);
    connection.on('error', () => undefined);
    const lost = failure(connection.query('select sleep'));
    await stage.sleep(1000);
    stage.world.fault({ kind: 'kill', host: 'server' });
    const error = await lost;
    assert.deepEqual([error.code, Reflect.get(error, 'fatal')], ['PROTOCOL_CONNECTION_LOST', true]);
    assert.equal((await failure(createConnection(login))).code, 'ECONNREFUSED');
  });
});

fault('mysql2: connectTimeout and the timeout of a query in virtual milliseconds', async (stage) => {
  open(stage);
  await stage.client.run(async () => {
    const connection = await createConnection(login);
    connection.on('error', () => undefined);
    const begun = stage.elapsed();
    const error = await failure(connection.query({ sql: 'select sleep', timeout: 2500 }));
    assert.equal(error.code, 'PROTOCOL_SEQUENCE_TIMEOUT');
    within(stage.elapsed() - begun, [2500, 2501]);
    connection.destroy();

    stage.world.partition([stage.client], [stage.server]);
    const again = stage.elapsed();
    assert.equal((await failure(createConnection({ ...login, connectTimeout: 7000 }))).code, 'ETIMEDOUT');
    within(stage.elapsed() - again, [7000, 7001]);
    stage.world.heal();
  });
});
