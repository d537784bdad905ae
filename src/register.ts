/** `node --import kernet/register program.js`: Node's own modules mean a host's inside of `host.run`. See `install` of `kernet/net`. */
import './deno/hook.ts';
import './node/register.ts';
