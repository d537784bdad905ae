// The functions of host.deno are of the types that Deno declares: what `npm run check:deno` checks here.
import assert from 'node:assert/strict';
import { World } from '../../mod.ts';

/** The functions of Deno that are the network, over TCP, UDP and TLS: the first of their overloads. */
interface Declared {
  connect(options: Deno.ConnectOptions): Promise<Deno.TcpConn>;
  listen(options: Deno.TcpListenOptions): Deno.TcpListener;
  connectTls(options: Deno.ConnectTlsOptions): Promise<Deno.TlsConn>;
  listenTls(options: Deno.ListenTlsOptions & Deno.TlsCertifiedKeyPem): Deno.TlsListener;
  networkInterfaces(): Deno.NetworkInterfaceInfo[];
  hostname(): string;
  resolveDns(query: string, recordType: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR', options?: Deno.ResolveDnsOptions): Promise<string[]>;
  serve(options: Deno.ServeTcpOptions, handler: Deno.ServeHandler<Deno.NetAddr>): Deno.HttpServer<Deno.NetAddr>;
  upgradeWebSocket(request: Request, options?: Deno.UpgradeWebSocketOptions): { response: Response };
}

Deno.test('host.deno has the types of Deno\'s own functions', () => {
  const world = new World({ seed: 1 });
  const network: Declared = world.host('alice').deno;
  const functions: readonly string[] = [
    'connect', 'listen', 'connectTls', 'listenTls', 'networkInterfaces', 'hostname', 'resolveDns', 'serve', 'upgradeWebSocket',
  ];
  for (const name of functions) assert.equal(typeof Reflect.get(network, name), typeof Reflect.get(Deno, name), name);
  world.stop();
});
