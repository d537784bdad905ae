/** Hooks of rooms above: what they have to put in place when kernet is installed, they say here when they are loaded. */
import type { Undo } from './wrap.ts';

export const moreHooks: Set<() => Undo[]> = new Set();
