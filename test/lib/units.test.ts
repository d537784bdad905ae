import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as units from '../../src/lib/units.ts';

const { parseDuration, parseInteger, parseProbability, parseRate, parseSize } = units;

test('durations: a number is milliseconds, a string has a unit; the result is nanoseconds', () => {
  for (const [value, ns] of [
    [0, 0],
    [-0, 0],
    [10, 10_000_000],
    [0.5, 500_000],
    ['10ms', 10_000_000],
    ['1.5s', 1_500_000_000],
    ['.5s', 500_000_000],
    ['20us', 20_000],
    ['5ns', 5],
    ['2min', 120_000_000_000],
    ['1h', 3_600_000_000_000],
    ['0.1ms', 100_000],
    ['0ms', 0],
    ['1.4ns', 1],
  ] as const) {
    assert.ok(Object.is(parseDuration(value, 'delay'), ns), String(value));
  }
});

test('rates are bits a second; bps is bytes a second, as tc has it', () => {
  for (const [value, bits] of [
    [1000, 1000],
    ['100mbit', 100_000_000],
    ['1gbit', 1_000_000_000],
    ['50kbit', 50_000],
    ['9600bit', 9600],
    ['2.5gbit', 2_500_000_000],
    ['10mbps', 80_000_000],
    ['1bps', 8],
    ['1kibit', 1024],
    ['1mibps', 8 * 1024 * 1024],
    ['1tbit', 1e12],
  ] as const) {
    assert.equal(parseRate(value, 'rate'), bits, String(value));
  }
});

test('sizes are bytes', () => {
  for (const [value, bytes] of [
    [0, 0],
    [1500, 1500],
    ['1500b', 1500],
    ['64kb', 64_000],
    ['5mb', 5_000_000],
    ['64kib', 65_536],
    ['1mib', 1_048_576],
    ['1.5kb', 1500],
    ['1.1kb', 1100],
    ['1gib', 1_073_741_824],
  ] as const) {
    assert.equal(parseSize(value, 'size'), bytes, String(value));
  }
});

test('what is no form of a quantity is a TypeError that names the option and the form', () => {
  const values = ['', '10', 'ms', '10 ms', '10MS', '1e3ms', '-1ms', '+1ms', '1.ms', '1,5s', '10ms ', ' 10ms', '0x10ms',
    '10sec', '10days', 'Infinityms'];
  for (const value of [...values, null, undefined, true, {}, [], 10n, Symbol('x')]) {
    for (const [parse, name] of [[parseDuration, 'delay'], [parseRate, 'rate'], [parseSize, 'size']] as const) {
      assert.throws(() => parse(value as never, name), (e: Error) => {
        assert.ok(e instanceof TypeError, e.message);
        assert.match(e.message, new RegExp(`^${name}: .* is not understood; expected a number of `));
        return true;
      });
    }
  }
});

test('the right form and an impossible value is a RangeError', () => {
  for (const value of [-1, NaN, Infinity, -Infinity, 1e300]) {
    assert.throws(() => parseDuration(value, 'delay'), { name: 'RangeError',
      message: /^delay: .* is out of range; expected a number of milli/ });
    assert.throws(() => parseRate(value, 'rate'), RangeError);
    assert.throws(() => parseSize(value, 'size'), RangeError);
  }
  assert.throws(() => parseDuration('9999999h', 'delay'), RangeError);
  assert.throws(() => parseRate('0bit', 'rate'), { name: 'RangeError', message: /^rate: '0bit' is not more than 0/ });
  assert.throws(() => parseSize(1.5, 'size'), { name: 'RangeError', message: /^size: 1.5 is not a whole number of bytes/ });
  assert.throws(() => parseSize('1.5b', 'size'), RangeError);
});

test('the message can be acted upon', () => {
  assert.throws(() => parseDuration('10 sec', 'delay'), {
    message: "delay: '10 sec' is not understood; expected a number of milliseconds, "
      + "or a string such as '10ms', '1.5s', '20us', '5ns', '2min'",
  });
  assert.throws(() => parseProbability(2, 'loss'), { name: 'RangeError',
    message: 'loss: 2 is out of range; expected a number from 0 to 1' });
  assert.throws(() => parseProbability('1%' as never, 'loss'), { name: 'TypeError', message: /^loss: '1%' is not a probability/ });
});

test('probabilities, both ends included', () => {
  for (const p of [0, 0.01, 0.5, 1]) assert.equal(parseProbability(p, 'loss'), p);
  for (const p of [-0.1, 1.0001, NaN, Infinity]) assert.throws(() => parseProbability(p, 'loss'), RangeError);
});

test('whole numbers in a range', () => {
  assert.equal(parseInteger(80, 'port', 0, 65535), 80);
  for (const n of [-1, 65536, 1.5, NaN]) {
    assert.throws(() => parseInteger(n, 'port', 0, 65535), { name: 'RangeError',
      message: /^port: .* expected a whole number from 0 to 65535$/ });
  }
  assert.throws(() => parseInteger('80' as never, 'port', 0, 65535), TypeError);
  assert.throws(() => parseInteger(0, 'limit', 1), { message: 'limit: 0 is out of range; expected a whole number, at least 1' });
});

test('printing', () => {
  assert.deepEqual([0, 5, 1500, 20_000_000, 1_500_000_000].map(units.formatDuration), ['0ns', '5ns', '1.5us', '20ms', '1.5s']);
  assert.deepEqual([9, 50_000, 1e8, 2.5e9].map(units.formatRate), ['9bit', '50kbit', '100mbit', '2.5gbit']);
  assert.deepEqual([9, 65536, 1.5 * 1048576, 2 ** 30].map(units.formatSize), ['9b', '64kib', '1.5mib', '1gib']);
});
