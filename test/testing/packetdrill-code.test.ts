/** `%{ … }%` of packetdrill scripts: the Python that assertions need, and what it does not have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssertionFailure, CodeRunner } from '../../src/testing/packetdrill/code.ts';
import { ScriptSkipped } from '../../src/testing/packetdrill/errors.ts';

/** Code, and what becomes of it: '' = it holds; else the assertion, the error, or what is skipped. `cwnd` is 10. */
const CODE: readonly (readonly [string, string])[] = [
  // numbers and comparisons
  ['assert 1 < 2 <= 2 != 3', ''],
  ['assert not 1 > 2 and (0 or 5)', ''],
  ['assert (7 // 2, 7 % 4, 2 ** 3) == (3, 3, 8)', ''],
  ['assert -7 // 2 == -4 and -7 % 4 == 1 and -2 ** 2 == -4 and 7 / 2 == 3.5', ''],
  ['assert 0x10 | 1 == 16', 'assert 0x10 | 1 == 16'], // comparisons bind looser than |
  ['assert 0x10 | 1 == 17 and 0b11 == 0o3 == 3 and 1_000 == 1e3', ''],
  ['assert 1 << 3 == 8 and ~1 == -2 and 6 & 3 == 2 and 6 ^ 3 == 5', ''],
  ['assert cwnd & 2, cwnd', ''],
  ['assert 9 <= cwnd <= 9', 'assert 9 <= cwnd <= 9 (cwnd = 10)'],
  ["assert cwnd == 9, 'cwnd is %d' % cwnd", 'assert cwnd == 9: cwnd is 10 (cwnd = 10)'],
  ['assert 18446744073709551615 == 0xffffffffffffffff', ''],
  ['assert True and not False and None is None and not None and cwnd is not None', ''],
  ['assert 0 or cwnd and 3', ''],
  ['assert cwnd or 1 / 0', ''], // what decides nothing is not looked at
  ['assert (1 if cwnd > 5 else 1 / 0) == 1', ''],
  ['assert 1 / 0', 'error division by zero'],
  ['assert cwnd + None', 'error a number expected, found None'],
  ['assert round(2.5) == 2 and round(3.5) == 4 and int(-1.5) == -1 and int("0x10", 16) == 16', ''],
  ['assert abs(-3) == max(1, 3) == min([4, 3]) == 3 and sum([1, 2]) == 3 and any([0, 1]) and not all([0, 1]) # the same', ''],
  // names
  ['x = 1; x += 4; assert x * 2 == cwnd', ''],
  ['a, b = 1, 2\na, b = b, a\nassert (a, b) == (2, 1)', ''],
  ['a = b = 3; a -= 1; b **= 2; b //= 2; a <<= 2; assert (a, b) == (8, 4)', ''],
  ['assert nothing == 1', "error name 'nothing' is not defined"],
  ['import sys, math\nassert cwnd', ''],
  ['import sys\nsys.exit(1)', "skip Python's module sys in code"],
  // lines
  ['assert (cwnd ==\n  10)\nassert \\\n cwnd > 9', ''],
  ['\n  assert cwnd > 1\n  # a comment\n\n  assert cwnd > 2', ''],
  ['assert cwnd > 1\n   assert cwnd > 2', ''], // the first line has lost its margin
  ['assert cwnd > 1 assert', "error the end of the statement expected, found 'assert'"],
  ['assert cwnd >', 'error a value expected, found the end of the line'],
  ['assert (cwnd', "error ')' expected, found the end of the line"],
  ['assert "cwnd', 'error a string has no end'],
  ['x = cwnd ? 1', "error '? 1' is not understood"],
  // blocks
  ['if cwnd > 5:\n  x = 1\nelif cwnd > 3:\n  x = 2\nelse:\n  x = 3\nassert x == 1', ''],
  ['if cwnd > 5: assert cwnd == 3', 'assert cwnd == 3 (cwnd = 10)'],
  ['if cwnd < 5:\n    assert False\n    assert False\nassert cwnd == 10', ''],
  ['  if cwnd < 5:\n      if True:\n        assert False\n  else:\n      x = 5\n  assert x == 5', ''],
  ['if cwnd:\nassert 1', "error a block (lines that are moved in) expected, found 'assert'"],
  ['x = 1\nif cwnd:\n    x = 1\n  y = 2\nassert 1', 'error the line is moved in as no line before it'],
  ['n = 0\nfor i in range(1, 5):\n  if i == 2: continue\n  if i == 4: break\n  n += i\nassert n == 4', ''],
  ['n = 0\nfor i, c in enumerate("abc"):\n  n += i\nassert n == 3', ''],
  ['n = 0\nwhile n < 7:\n  n += 2\nassert n == 8', ''],
  ['while True:\n  pass', 'error it goes on for ever: more than 200000 steps'],
  ['def near(a, b, by=1):\n  return abs(a - b) <= by\nassert near(cwnd, 11) and not near(cwnd, 12) and near(cwnd, 12, by=2)', ''],
  ['def f():\n  return f()\nf()', 'error functions call each other more than 100 deep'],
  ['try:\n  x = 1\nexcept: pass', "skip Python's 'try' in code"],
  ['f = lambda x: x', "skip Python's 'lambda' in code"],
  // texts
  ["assert 'a%d' % 3 == 'a3' and '%s=%.2f|%5d|%-3s|%03d' % ('x', 1.5, 7, 'a', 7) == 'x=1.50|    7|a  |007'", ''],
  ["assert '%x %#x %%' % (255, 255) == 'ff 0xff %' and '%(n)d' % {'n': 3} == '3'", ''],
  ["assert '%d' % (1, 2)", "error '%d': fewer values are asked than there are"],
  ["assert f'{cwnd} {cwnd + 1:>4} {cwnd:04x} {{}} {1.5:.2f} {cwnd=}' == '10   11 000a {} 1.50 cwnd=10'", ''],
  ["assert '{} {1:x}'.format(1, 255) == '1 ff' and 'a' 'b' == \"ab\" and '''a\nb''' == 'a\\nb'", ''],
  ["assert 'cubic'.startswith('cu') and 'b' in 'abc' and 'a,b'.split(',') == ['a', 'b'] and '-'.join(['a', 'b']) == 'a-b'", ''],
  ["assert 'abc'[1] == 'b' and 'abc'[1:] == 'bc' and 'abc'[-1] == 'c' and 'a' * 3 == 'aaa' and str(5) + 'a' == '5a'", ''],
  // lists and dicts
  ['assert cwnd in (9, 10) and cwnd not in [1, 2] and cwnd in range(10, 11)', ''],
  ['x = [1, 2]; x.append(3); x[0] = 9; assert x == [9, 2, 3] and len(x) == 3 and x[-1] == 3 and x[1:] == [2, 3]', ''],
  ['assert [n * 2 for n in range(3) if n] == [2, 4] and sum(n for n in [1, 2]) == 3 and sorted([2, 1])[0] == 1', ''],
  ["d = {'a': 1}; d['b'] = 2; assert d['b'] == 2 and 'a' in d and d.get('c', 5) == 5 and len(d) == 2", ''],
  ['assert [1][1]', 'error there is no item 1 among 1'],
  ['x = {1, 2}', "skip Python's sets in code"],
  ['assert (1, 2) < (1, 3) and [1] != (1,) and () == () and list((1, 2)) == [1, 2]', ''],
];

function outcome(code: string): string {
  try {
    new CodeRunner().run(code, { cwnd: 10 });
    return '';
  } catch (error) {
    if (error instanceof AssertionFailure) return error.message;
    if (error instanceof ScriptSkipped) return `skip ${error.message}`;
    return `error ${(error as Error).message}`;
  }
}

test('packetdrill: code means what it means in Python', () => {
  const wrong = CODE.filter(([code, wanted]) => outcome(code) !== wanted)
    .map(([code, wanted]) => `${code}\n  wanted: ${wanted}\n  got:    ${outcome(code)}`);
  assert.equal(wrong.join('\n'), '');
});

test('packetdrill: variables live from one piece of code to the next, and what is printed is kept', () => {
  const runner = new CodeRunner();
  runner.run("seen = [cwnd]\ndef grew(): return seen[-1] > seen[0]\nprint('cwnd', cwnd, [1.5, 'a', True, None])", { cwnd: 10 });
  runner.run("seen.append(cwnd); assert grew(); print(f'{len(seen)}', 'x', sep='-')", { cwnd: 20 });
  assert.deepEqual(runner.printed, ["cwnd 10 [1.5, 'a', True, None]", '2-x']);
});
