/**
 * What the programs of the tables begin with: Node's modules, and words to print with. Ports that the system chose and
 * descriptors differ between the arms: they are not printed.
 */
export const HELP = `
const net = require('net'), dgram = require('dgram'), dns = require('dns'), util = require('util'), { once } = require('events');
const FIELDS = ['code', 'errno', 'syscall', 'address', 'port', 'hostname', 'path', 'dest'];
const hide = (s) => s.replace(/\\b([3-5]\\d{4}|6[0-5]\\d{3})\\b/g, 'PORT');
function text(v) {
  if (v instanceof Error) {
    const more = FIELDS.filter((f) => v[f] !== undefined).map((f) => f + '=' + v[f]);
    const inner = v.errors ? ' {' + v.errors.map(text).join('; ') + '}' : '';
    return hide(v.name + '(' + v.message + (more.length ? ' | ' + more.join(' ') : '') + ')') + inner;
  }
  if (typeof v === 'string') return hide(v);
  if (typeof v === 'function') return 'function ' + v.name;
  if (v === null || typeof v !== 'object') return hide(String(v));
  if (Buffer.isBuffer(v)) return 'Buffer ' + v.toString('latin1').slice(0, 40) + ' ' + v.length;
  if (Array.isArray(v)) return '[' + v.map(text).join(', ') + ']';
  const name = v.constructor ? v.constructor.name : 'null';
  if (name !== 'Object' && name !== 'null') return 'a ' + name;
  return '{' + Object.keys(v).map((k) => k + ': ' + text(v[k])).join(', ') + '}';
}
const say = (...a) => console.log(a.map(text).join(' '));
function attempt(what, f, self) {
  try { const v = f(); say(what, 'returned', v === self && v !== undefined ? 'itself' : v); } catch (e) { say(what, 'threw', e); }
}
const events = (who, emitter, names) => {
  for (const name of names) emitter.on(name, (...a) => say(who, name, ...a.slice(0, 2)));
  return emitter;
};
const SOCKET = ['lookup', 'connect', 'ready', 'data', 'end', 'finish', 'timeout', 'error', 'close'];
const later = (ms) => new Promise((done) => setTimeout(() => { let n = 0; (function turn() { if (n++ < 6) setImmediate(turn);
else setTimeout(done, 1); })(); }, ms));
if (process.listenerCount('warning') < 2) process.on('warning', (w) => say('warning', w.name, w.message));
process.setMaxListeners(100);
`;
