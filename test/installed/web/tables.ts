/** All tables of programs in this directory. */
import { HTTP_AGENT, HTTP_CLIENT } from './http-client.ts';
import { HTTP_SERVER } from './http-server.ts';
import { HTTP2 } from './http2.ts';
import { HTTPS, TLS } from './tls.ts';

export const WEB: readonly Readonly<Record<string, string>>[] = [HTTP_SERVER, HTTP_CLIENT, HTTP_AGENT, TLS, HTTPS, HTTP2];
