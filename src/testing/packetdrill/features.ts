/**
 * What scripts may ask for and this host does not have. A script that names one is skipped with the feature's name before it
 * begins: half of a script proves nothing. A row goes when its feature comes.
 */

const MISSING: readonly (readonly [RegExp, string])[] = [
  [/\bpsp_[rt]x_assoc\b|\bpsp\b/, 'PSP'],
  [/\bcap_set\b/, 'capabilities'],
  [/[<>]\s+(?:gre|mpls|ipv4|ipv6)\b/, 'encapsulation'],
];

/** The first feature that the script needs in vain, or ''. Comments do not count. */
export function missingFeature(text: string): string {
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/\/\/[^\n]*/g, ' ');
  return MISSING.find(([re]) => re.test(bare))?.[1] ?? '';
}
