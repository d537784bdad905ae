// Before the tests of a file: Node's own modules follow `host.run`. They are the same objects in all files of a worker.
import { afterAll } from '@jest/globals';
import { install } from 'kernet';

const uninstall = install();
afterAll(() => uninstall());
