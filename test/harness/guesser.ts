/**
 * Somebody who guesses passwords, on a thread of its own so that it takes no time from who measures: sends `tries`
 * different passwords over many connections at once. Linux has all of 127.0.0.0/8 for addresses to come from.
 */
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

export interface GuessPlan {
  readonly port: number;
  readonly tries: number;
  /** What its passwords begin with: one that was guessed before is another case. */
  readonly prefix: string;
  readonly usernames: readonly string[];
  /** How many client addresses the guesses come from; with more than one, each guess has a connection of its own. */
  readonly addresses: number;
}

export interface GuessReport {
  /** Answers by code, or what went wrong instead. */
  readonly answers: Record<string, number>;
  readonly seconds: number;
}

const CONNECTIONS = 1_500;

async function guess(plan: GuessPlan): Promise<GuessReport> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const answers: Record<string, number> = {};
  const startedMs = performance.now();
  let next = 0;
  const attack = async (): Promise<void> => {
    while (next < plan.tries) {
      const code = await tryOnce(plan, agent, next++);
      answers[code] = (answers[code] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, attack));
  agent.destroy();
  return { answers, seconds: (performance.now() - startedMs) / 1000 };
}

function tryOnce(plan: GuessPlan, agent: Agent, index: number): Promise<string> {
  const username = plan.usernames[index % plan.usernames.length] ?? '';
  const site = index % plan.addresses;
  const query = new URLSearchParams({ username, password: `${plan.prefix}-${index}`, checkpoint: 'Y' });
  return new Promise((resolve) => {
    const asked = request({
      agent: plan.addresses > 1 ? false : agent,
      localAddress: `127.${1 + (site >> 16)}.${(site >> 8) & 255}.${site & 255}`,
      host: '127.0.0.1',
      port: plan.port,
      path: `/json/sms_query.php?${query.toString()}`,
    });
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    asked.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve(/"code":"(\d{5})"/.exec(body)?.[1] ?? `HTTP ${response.statusCode}`));
    });
    asked.end();
  });
}

parentPort?.postMessage(await guess(workerData as GuessPlan));
