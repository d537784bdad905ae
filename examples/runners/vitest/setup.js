// Before the tests of a file: Node's own modules follow `host.run`, in this worker.
import { install } from 'kernet';
import { afterAll } from 'vitest';

const uninstall = install();
afterAll(() => uninstall());
