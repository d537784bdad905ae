/**
 * A shop: `POST /buy/3` books three with the ledger and says how many have been sold in all. A server by `node:http`, and a
 * client that tries again, with growing pauses, when the network or the shop fails it.
 *
 * An ordinary program: it has never heard of kernet. `http` and `net` may be given, as programs do that are tested by
 * dependency injection; by default they are Node's.
 */
import nodeHttp from 'node:http';
import { addToLedger } from './ledger.js';

/** Starts the shop's server, which keeps its books with the ledger at `ledger.host`, `ledger.port`. */
export function startShop(port, ledger, { http = nodeHttp, net } = {}) {
  const server = http.createServer(async (request, response) => {
    const amount = Number(/^\/buy\/(\d+)$/.exec(request.url)?.[1] ?? NaN);
    if (request.method !== 'POST' || Number.isNaN(amount)) {
      response.writeHead(404).end();
      return;
    }
    try {
      const total = await addToLedger(ledger.host, ledger.port, amount, { net });
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ total }));
    } catch (error) {
      response.writeHead(503).end(`the ledger: ${error.code}`);
    }
  });
  return server.listen(port);
}

/** Buys once: what has been sold in all. */
export function buyOnce(url, amount, { timeoutMs = 1000, http = nodeHttp } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/buy/${amount}`, { method: 'POST', agent: false, timeout: timeoutMs }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => (body += text));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(body).total);
        else reject(new Error(`${response.statusCode} ${body}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
    request.end();
  });
}

/** Buys, and tries again after 1, 2, 4 … seconds: the total, and what went wrong on the way. */
export async function buy(url, amount, { tries = 5, ...options } = {}) {
  const failures = [];
  for (let pause = 1000; ; pause *= 2) {
    try {
      return { total: await buyOnce(url, amount, options), failures };
    } catch (error) {
      failures.push(error.message);
      if (failures.length === tries) throw new Error(`gave up: ${failures.join('; ')}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
