/**
 * A ledger: a line protocol over TCP, by `node:net`. `ADD 5` is answered by the new total.
 *
 * An ordinary program: it has never heard of kernet.
 */
import nodeNet from 'node:net';

/** Starts the ledger's server. */
export function startLedger(port, { net = nodeNet } = {}) {
  let total = 0;
  const server = net.createServer((socket) => {
    let rest = '';
    socket.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        total += Number(/^ADD (\d+)$/.exec(line)?.[1] ?? 0);
        socket.write(`${total}\n`);
      }
    });
    socket.on('error', () => socket.destroy());
  });
  return server.listen(port);
}

/** Adds `amount` to the ledger at `host`, and returns the total. */
export function addToLedger(host, port, amount, { net = nodeNet } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host, () => socket.end(`ADD ${amount}\n`));
    let answer = '';
    socket.setEncoding('utf8').on('data', (text) => (answer += text));
    socket.on('end', () => resolve(Number(answer))).on('error', reject);
  });
}
