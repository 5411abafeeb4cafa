/** Opens a node's doors: HTTP, HTTPS with its certificate, and metrics on loopback; says where each of them is. */
import { readFile } from 'node:fs/promises';
import type { Clock } from './base/clock.ts';
import type { Logger } from './base/log.ts';
import type { Metrics } from './base/metrics.ts';
import type { SecretKeys } from './base/secret-keys.ts';
import type { Config } from './config.ts';
import { connectionsEach, connectionWarning, readOpenFileLimit } from './http/connection-bound.ts';
import { MetricsServer } from './http/metrics-server.ts';
import { type Certificate, selfSignedCertificate } from './http/self-signed.ts';
import type { HttpServer } from './http/server.ts';
import type { Listener } from './outgoing/address-rules.ts';
import type { StopList } from './stop-list.ts';

const METRICS_HOST = '127.0.0.1';

interface Certifier {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: SecretKeys | undefined;
}

export interface OpenDoors {
  /** URLs. */
  readonly http: string;
  readonly https: string | undefined;
  readonly metrics: string | undefined;
  readonly listeners: readonly Listener[];
}

/** How many connections each HTTP port may take, as far as the process may open files; warns when those are few. */
export function connectionBound(config: Config, log: Logger): number {
  const openFiles = readOpenFileLimit();
  const listeners = config.httpsPort === 'off' ? 1 : 2;
  const warning = connectionWarning(openFiles, listeners);
  if (warning !== undefined) log.warn({ openFiles }, warning);
  return connectionsEach(openFiles, listeners);
}

export async function openDoors(
  parts: Certifier & { http: HttpServer; metrics: Metrics; stops: StopList },
): Promise<OpenDoors> {
  const { config, http, metrics, stops } = parts;
  let metricsPort: number | undefined;
  if (config.metricsPort !== 'off') {
    const server = new MetricsServer(metrics);
    await server.listen({ host: METRICS_HOST, port: config.metricsPort });
    stops.add(() => server.stop());
    metricsPort = server.address()?.port;
  }
  await http.listenHttp({ host: config.httpHost, port: config.httpPort });
  if (config.httpsPort !== 'off') {
    await http.listenHttps({ host: config.httpHost, port: config.httpsPort, tls: await certificate(parts) });
  }
  const bound = http.addresses();
  const urlOf = (scheme: string): string | undefined => {
    const found = bound.find((address) => address.scheme === scheme);
    return found && `${scheme}://${bracketed(config.httpHost)}:${found.port}`;
  };
  return {
    http: urlOf('http') ?? '',
    https: urlOf('https'),
    metrics: metricsPort === undefined ? undefined : `http://${METRICS_HOST}:${metricsPort}/metrics`,
    listeners: [...bound, ...(metricsPort === undefined ? [] : [{ address: METRICS_HOST, port: metricsPort }])],
  };
}

async function certificate({ config, clock, log, keys }: Certifier): Promise<Certificate> {
  if (!config.tls) return selfSignedCertificate({ directory: config.dataDir, nowMs: clock.now(), keys, log });
  return {
    cert: await readFile(config.tls.certificatePath, 'utf8'),
    key: await readFile(config.tls.keyPath, 'utf8'),
  };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
