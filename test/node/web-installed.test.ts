// http, https, tls, http2, fetch, WebSocket and streams as they stand, by install(), on a clean cable; test/web has them on a bad one.
import { after, before, test } from 'node:test';
import { install } from '../../src/node/install.ts';
import { NODE_MAJOR, SCENARIOS } from '../web/scenarios.ts';
import { onLan } from './lan.ts';

let uninstall: () => void;
before(() => void (uninstall = install()));
after(() => uninstall());

for (const { name, since = 20, run } of SCENARIOS) {
  void test(name, { skip: NODE_MAJOR < since ? `from Node ${since} on` : false }, () => onLan(run, { delay: '1ms' }));
}
