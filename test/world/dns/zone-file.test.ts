/** Master files, and what a zone says about its names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRdata } from '../../../src/host/dns/rdata.ts';
import { parseZoneFile, ZoneFileError } from '../../../src/world/dns/zone-file.ts';
import { makeZone } from '../../../src/world/dns/zone-options.ts';

const FILE = `
; a zone with everything that RFC 1035 section 5 has
$TTL 1h
@       IN SOA ns hostmaster\\.of.example.com. ( ; the form that everybody uses
            2024010101 2h 30m 2w
            5m )       ; negative
        NS  ns
        NS  ns.other.net.
        MX  10 mail
        300 IN MX 20 mail.other.net.
ns      IN 300 A 10.0.0.53
www     60     A 10.0.0.80
        AAAA   2001:DB8::80
mail    CNAME  www
_sip._tcp SRV 0 5 5060 sip.example.com.
txt     TXT "one; \\"quoted\\" string" two ( ; and a third
        "three" )
\\097bc A 10.0.0.3
$ORIGIN sub
a       A 10.1.0.1
*       A 10.1.0.9
b.deep  A 10.1.0.2
`;

test('a zone file is read as RFC 1035 §5 has it', () => {
  const lines = parseZoneFile(FILE.replace('$ORIGIN sub\n', '$ORIGIN sub.example.com.\n'), 'example.com')
    .map((r) => `${r.name} ${String(r.ttl)} ${r.type} ${formatRdata(r)}`);
  assert.deepEqual(lines, [
    'example.com 3600 SOA ns.example.com. hostmaster\\.of.example.com. 2024010101 7200 1800 1209600 300',
    'example.com 3600 NS ns.example.com.',
    'example.com 3600 NS ns.other.net.',
    'example.com 3600 MX 10 mail.example.com.',
    'example.com 300 MX 20 mail.other.net.',
    'ns.example.com 300 A 10.0.0.53',
    'www.example.com 60 A 10.0.0.80',
    'www.example.com 3600 AAAA 2001:db8::80',
    'mail.example.com 3600 CNAME www.example.com.',
    '_sip._tcp.example.com 3600 SRV 0 5 5060 sip.example.com.',
    'txt.example.com 3600 TXT "one; \\"quoted\\" string" "two" "three"',
    'abc.example.com 3600 A 10.0.0.3',
    'a.sub.example.com 3600 A 10.1.0.1',
    '*.sub.example.com 3600 A 10.1.0.9',
    'b.deep.sub.example.com 3600 A 10.1.0.2',
  ]);
  assert.deepEqual(parseZoneFile(FILE, 'example.com').at(-1)!.name, 'b.deep.sub.example.com', '$ORIGIN may be relative');
});

const WRONG: readonly (readonly [text: string, line: number, says: RegExp])[] = [
  ['a A 10.0.0.1\nb A 10.0.0', 2, /A: '10\.0\.0' is not an IPv4 address; expected one such as 10\.0\.0\.1/],
  ['a AAAA 10.0.0.1', 1, /not an IPv6 address/],
  ['  A 10.0.0.1', 1, /a record without a name/],
  ['a IN', 1, /a type is missing; expected one of A, AAAA/],
  ['a CH A 10.0.0.1', 1, /class CH; expected IN/],
  ['a 300 B 10.0.0.1', 1, /'B' is not a type; expected a time, IN, or one of A,/],
  ['a MX mail', 1, /MX: 'mail' is not a preference; expected a whole number up to 65535/],
  ['a MX 10', 1, /MX: the name of a mail server is missing/],
  ['a A 10.0.0.1 10.0.0.2', 1, /A: '10\.0\.0\.2' is one word too many/],
  ['\na SOA ns h ( 1 2 3', 2, /a '\(' without its '\)'/],
  ['a A 10.0.0.1 )', 1, /a '\)' without its '\('/],
  ['a TXT "open', 1, /a string is not closed/],
  [`a TXT ${'x'.repeat(256)}`, 1, /a string of 256 bytes/],
  [`a TXT "\\300"`, 1, /'\\300' is not understood; expected three digits up to 255/],
  ['$TTL soon', 1, /\$TTL: 'soon' is not a time/],
  ['$INCLUDE other', 1, /\$INCLUDE: there are no files here/],
  ['$GENERATE 1-2 a A 10.0.0.$', 1, /'\$GENERATE' is not understood; expected \$ORIGIN or \$TTL/],
  ['a..b A 10.0.0.1', 1, /empty label/],
  [`${'x'.repeat(64)} A 10.0.0.1`, 1, /label of 64 characters/],
  ['a\\.b A 10.0.0.1', 1, /an escaped dot/],
  ['a SRV 0 5 70000 b', 1, /SRV: '70000' is not a port/],
];

for (const [text, line, says] of WRONG) {
  test(`zone file: ${JSON.stringify(text.slice(0, 40))} is refused by line and word`, () => {
    assert.throws(() => parseZoneFile(text, 'example.com'), (error: unknown) => {
      assert.ok(error instanceof ZoneFileError);
      assert.equal(error.line, line);
      assert.match(error.message, new RegExp(`^zone file: line ${String(line)}: `));
      assert.match(error.message, says);
      return true;
    });
  });
}

const ZONE = makeZone({
  origin: 'example.com',
  ttl: 100,
  negativeTtl: 50,
  records: {
    '@': { NS: 'ns', MX: '10 mail' }, ns: '10.0.0.1', mail: '10.0.0.2', www: { CNAME: 'web' }, web: ['10.0.0.3', '2001:db8::3'],
    'host1.deep': '10.0.0.4', '*.deep': { TXT: 'wild' }, out: { CNAME: 'elsewhere.net.' }, sub: { NS: 'ns.sub' }, 'ns.sub': '10.0.0.5',
    // RFC 4592 §2.2.1
    '*': { MX: '10 host1' }, 'sub.*': { TXT: 'this is not a wildcard' }, _ssh: { SRV: '0 0 22 web' },
  },
});

/** name type → rcode, answers; authority; additional */
const LOOKUPS: readonly (readonly [name: string, type: string, says: string])[] = [
  ['web', 'A', '0 aa web A 10.0.0.3'],
  ['web', 'TXT', '0 aa | SOA 50'],
  ['www', 'AAAA', '0 aa www CNAME web. web AAAA 2001:db8::3'],
  ['www', 'CNAME', '0 aa www CNAME web.'],
  ['@', 'MX', '0 aa @ MX 10 mail. + mail A 10.0.0.2'],
  ['_ssh', 'SRV', '0 aa _ssh SRV 0 0 22 web. + web A 10.0.0.3 web AAAA 2001:db8::3'],
  ['web', 'ANY', '0 aa web A 10.0.0.3'],
  ['deep', 'A', '0 aa | SOA 50'], // an empty non-terminal exists
  ['x.deep', 'TXT', '0 aa x.deep TXT "wild"'],
  ['x.deep', 'A', '0 aa | SOA 50'],
  ['y.x.deep', 'TXT', '0 aa y.x.deep TXT "wild"'],
  ['x.host1.deep', 'TXT', '3 aa | SOA 50'], // the closest encloser has no wildcard
  ['anything', 'MX', '0 aa anything MX 10 host1.'],
  ['anything', 'A', '0 aa | SOA 50'],
  ['x.web', 'MX', '3 aa | SOA 50'],
  ['out', 'A', '0 aa out CNAME elsewhere.net. → elsewhere.net'],
  ['sub', 'A', '0 -- | NS ns.sub. + ns.sub A 10.0.0.5'],
  ['a.b.sub', 'TXT', '0 -- | NS ns.sub. + ns.sub A 10.0.0.5'],
  ['ns.sub', 'A', '0 -- | NS ns.sub. + ns.sub A 10.0.0.5'], // glue is no answer
];

for (const [name, type, says] of LOOKUPS) {
  test(`RFC 1034 §4.3.2, RFC 4592: ${name} ${type}`, () => {
    const full = name === '@' ? 'example.com' : `${name}.example.com`;
    const { rcode, answers, authorities, additionals, authoritative, outside } = ZONE.lookup(full, type);
    const short = (text: string): string => text.replaceAll(/(?<![\w.])example\.com\b(?!\.)/g, '@').replaceAll('.example.com', '');
    const line = [
      String(rcode), authoritative ? 'aa' : '--', ...answers.map((r) => `${r.name} ${r.type} ${formatRdata(r)}`),
      ...authorities.length > 0 ? ['|'] : [],
      ...authorities.map((r) => (r.type === 'SOA' ? `SOA ${String(r.ttl)}` : `${r.type} ${formatRdata(r)}`)),
      ...additionals.length > 0 ? ['+', ...additionals.map((r) => `${r.name} ${r.type} ${formatRdata(r)}`)] : [],
      ...outside === null ? [] : ['→', outside],
    ].join(' ');
    assert.equal(short(line), says);
  });
}

test('what is no zone is refused by name', () => {
  const zone = (records: Record<string, never>): unknown => makeZone({ origin: 'example.com', records });
  assert.throws(() => zone({ www: { CNAME: 'a', A: '10.0.0.1' } as never }), /www\.example\.com is an alias \(CNAME\) and can have no/);
  assert.throws(() => zone({ 'www.example.org.': '10.0.0.1' as never }), /www\.example\.org is outside of it/);
  assert.throws(() => zone({ www: 'web' as never }), /'www': 'web' is not an address; expected one such as '10\.0\.0\.1', or data by type/);
  assert.throws(() => zone({ www: { B: 'web' } as never }), /'www': 'B' is not a type/);
  assert.throws(() => makeZone({ origin: 'a b' }), /zone: origin: 'a b' has a label of other than printable ASCII/);
  assert.throws(() => makeZone({ origin: 'x', text: 'a A 1' }), /zone file: line 1: A: '1' is not an IPv4 address/);
});
