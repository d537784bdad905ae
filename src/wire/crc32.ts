/**
 * CRC-32 as Ethernet has it (IEEE 802.3 §3.2.9): polynomial 0x04c11db7, bits reflected, start and end complemented. It is
 * the frame check sequence that tells a card of a flipped bit on the cable.
 */

const TABLE: Int32Array = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    table[n] = c;
  }
  return table;
}

/** The CRC of `len` bytes, int32. To continue a CRC over further bytes, pass the one so far. */
export function crc32(buf: Uint8Array, off: number, len: number, crc: number = 0): number {
  let c = ~crc;
  const end = off + len;
  for (let i = off; i < end; i++) c = TABLE[(c ^ buf[i]!) & 255]! ^ (c >>> 8);
  return ~c;
}
