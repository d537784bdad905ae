// `npm run test:web`: the same at 3 % loss and 40 ms delay: everything arrives, only later.
import { after, before, test } from 'node:test';
import { install } from '../../src/node/install.ts';
import { onLan } from '../node/lan.ts';
import { NODE_MAJOR, SCENARIOS } from './scenarios.ts';

let uninstall: () => void;
before(() => void (uninstall = install()));
after(() => uninstall());

for (const { name, since = 20, run } of SCENARIOS) {
  for (const seed of [1, 2, 3]) {
    void test(`${name}, seed ${seed}`, { skip: NODE_MAJOR < since ? `from Node ${since} on` : false }, () =>
      onLan(run, { delay: '40ms', loss: 0.03 }, seed));
  }
}
