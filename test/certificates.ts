// Certificates for tests: a CA, and what it signs. X.509 version 3 (RFC 5280) in DER, by hand: there is no openssl to call.
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** A key and a certificate, as Node takes them. */
export interface Pem {
  readonly key: string;
  readonly cert: string;
}

/** Who signs: its name and its key. */
export interface Authority extends Pem {
  readonly name: string;
  readonly privateKey: KeyObject;
}

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;

/** Tag, length, value: X.690 §8.1. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const n = value.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), value]);
}

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const n of rest) {
    const digits = [n & 0x7f];
    for (let left = n >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(OBJECT_ID, Buffer.from(bytes));
}

const ECDSA_SHA256 = der(SEQUENCE, objectId('1.2.840.10045.4.3.2'));

function nameOf(common: string): Buffer {
  return der(SEQUENCE, der(SET, der(SEQUENCE, objectId('2.5.4.3'), der(UTF8_STRING, Buffer.from(common)))));
}

function extension(id: string, value: Uint8Array): Buffer {
  return der(SEQUENCE, objectId(id), der(OCTET_STRING, value));
}

const TRUE = Buffer.from([0x01, 0x01, 0xff]);

function extensions(isCa: boolean, dnsNames: readonly string[], addresses: readonly string[]): Buffer {
  const list = [extension('2.5.29.19', der(SEQUENCE, ...(isCa ? [TRUE] : [])))]; // basicConstraints
  const names = [
    ...dnsNames.map((n) => der(0x82, Buffer.from(n))),
    ...addresses.map((a) => der(0x87, Buffer.from(a.split('.').map(Number)))),
  ];
  if (names.length > 0) list.push(extension('2.5.29.17', der(SEQUENCE, ...names))); // subjectAltName
  return der(0xa3, der(SEQUENCE, ...list));
}

let serial = 1;

interface Subject {
  readonly name: string;
  readonly isCa: boolean;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  /** 'YYYYMMDDhhmmssZ' */
  readonly notAfter: string;
}

function makeCertificate(subject: Subject, publicKey: KeyObject, issuer: string, issuerKey: KeyObject): string {
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))), // version 3
    der(INTEGER, Buffer.from([serial++])),
    ECDSA_SHA256,
    nameOf(issuer),
    der(SEQUENCE, der(GENERALIZED_TIME, Buffer.from('20200101000000Z')), der(GENERALIZED_TIME, Buffer.from(subject.notAfter))),
    nameOf(subject.name),
    publicKey.export({ format: 'der', type: 'spki' }),
    extensions(subject.isCa, subject.dnsNames, subject.addresses),
  );
  const signature = sign('sha256', body, issuerKey);
  const whole = der(SEQUENCE, body, ECDSA_SHA256, der(BIT_STRING, Buffer.from([0]), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function makeKey(): { privateKey: KeyObject; key: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string };
}

const FAR = '21200101000000Z';

/** An authority that signs itself, and may be reached by these names. */
export function makeAuthority(name: string, dnsNames: readonly string[] = []): Authority {
  const { privateKey, key } = makeKey();
  const subject = { name, isCa: true, dnsNames, addresses: [], notAfter: FAR };
  return { name, key, privateKey, cert: makeCertificate(subject, createPublicKey(privateKey), name, privateKey) };
}

/** A certificate that `ca` signs, for a common name and the names and addresses by which it may be reached. */
export function issue(ca: Authority, name: string, options: Partial<Omit<Subject, 'name' | 'isCa'>> = {}): Pem {
  const { privateKey, key } = makeKey();
  const subject = { name, isCa: false, dnsNames: [name], addresses: [], notAfter: FAR, ...options };
  return { key, cert: makeCertificate(subject, createPublicKey(privateKey), ca.name, ca.privateKey) };
}
