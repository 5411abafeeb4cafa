/**
 * Takes over what dead nodes held: their link slots and callbacks become free. Nobody knows the outcome of the messages
 * that they had claimed, so each is sent once more or waits for its receipt, as its operator's policy says.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { Database } from '../store/database.ts';
import { freeSlots } from '../store/links.ts';
import { deadEpochs, type EpochHolder, forgetEpoch, forgottenEpochs } from '../store/node-lease.ts';
import { releaseCallbacksOf } from '../store/outbox.ts';
import { holdClaimsOf, resendClaimsOf } from '../store/unknown-outcomes.ts';
import { MAX_RESENDS } from './submission.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_FOR_FORGOTTEN_EVERY_MS = 60_000;
const MAX_BATCH = 500;

export interface TakeOverOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly log: Logger;
  readonly graceMs: number;
  readonly onQueued: () => void;
}

export class TakeOver {
  readonly #options: TakeOverOptions;
  readonly #look: Periodic;
  #lookForForgottenAtMs = 0;

  constructor(options: TakeOverOptions) {
    this.#options = options;
    this.#look = new Periodic({
      everyMs: LOOK_EVERY_MS,
      run: () => this.#round(),
      onError: (error) => options.log.warn({ err: error }, 'dead nodes could not be looked for'),
    });
  }

  start(): void {
    this.#look.start();
  }

  stop(): Promise<void> {
    return this.#look.stop();
  }

  async #round(): Promise<boolean> {
    const { database, clock, lease, log, graceMs } = this.#options;
    const epoch = lease.epoch();
    if (epoch === undefined) return false;
    const dead = [...(await deadEpochs(database)), ...(await this.#forgotten())].filter((other) => other !== epoch);
    if (dead.length === 0) return false;
    await freeSlots(database, dead);
    for (const gone of dead) await releaseCallbacksOf(database, gone);
    const claims = { epoch, dead, maxResends: MAX_RESENDS, nowMs: clock.now(), limit: MAX_BATCH };
    const resent = await resendClaimsOf(database, claims);
    const held = await holdClaimsOf(database, { ...claims, graceMs });
    if (resent + held > 0) log.warn({ resent, held, dead }, 'messages of dead nodes were taken over');
    if (resent > 0) this.#options.onQueued();
    if (resent === MAX_BATCH || held === MAX_BATCH) return true;
    for (const gone of dead) await forgetEpoch(database, gone);
    return false;
  }

  async #forgotten(): Promise<number[]> {
    if (performance.now() < this.#lookForForgottenAtMs) return [];
    this.#lookForForgottenAtMs = performance.now() + LOOK_FOR_FORGOTTEN_EVERY_MS;
    return forgottenEpochs(this.#options.database);
  }
}
