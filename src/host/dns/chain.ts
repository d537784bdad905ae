/** Aliases: from the name that was asked for to the records that it leads to (RFC 1034 §3.6.2). */
import { lowerName } from './names.ts';
import type { DataByType, DnsRecord, RecordType } from './message.ts';

/** Aliases behind one another; beyond it is a loop, or somebody who wants us to work. */
export const CNAME_CHAIN_MAX = 16;

/** What one answer says about a name. */
export interface Followed {
  /** The CNAME records on the way, in order. */
  readonly aliases: readonly DnsRecord[];
  /** The name at the end of them. */
  readonly end: string;
  /** Its records of the type in question. */
  readonly found: readonly DnsRecord[];
  /** True when the aliases lead in a circle, or are too many. */
  readonly loops: boolean;
}

/** Follows the aliases in an answer section. Records that are not on the way are not looked at. */
export function followAliases(answers: readonly DnsRecord[], name: string, type: string): Followed {
  const aliases: DnsRecord[] = [];
  let end = name;
  for (;;) {
    const here = end;
    const found = answers.filter((record) => record.name === here && (record.type === type || type === 'ANY'));
    if (found.length > 0) return { aliases, end, found, loops: false };
    const alias = answers.find((record) => record.name === here && record.type === 'CNAME');
    if (alias === undefined) return { aliases, end, found: [], loops: false };
    if (aliases.length >= CNAME_CHAIN_MAX || aliases.includes(alias)) return { aliases, end, found: [], loops: true };
    aliases.push(alias);
    end = lowerName(alias.data as string);
  }
}

/** The data of the records of one type. */
export function dataOf<T extends RecordType>(records: readonly DnsRecord[], type: T): DataByType[T][] {
  return records.filter((record) => record.type === type).map((record) => record.data as DataByType[T]);
}
