/**
 * Receipts from the operators: matched to their segments and committed, many at a time, before they are acknowledged. A
 * receipt that matches nothing yet is kept and tried again; if its id could mean two segments, none is guessed.
 */
import { GroupCommit } from '../base/group-commit.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/clock.ts';
import { type IdTransform, transformId, transformsFor } from '../domain/receipt-ids.ts';
import { isFinalReceipt } from '../domain/states.ts';
import { STATUS } from '../smpp/pdu.ts';
import type { Database, StageConnection } from '../store/database.ts';
import { keepReceipts } from '../store/kept-receipts.ts';
import type { CallbackHolder } from '../store/outbox.ts';
import {
  type ArrivedReceipt,
  type Candidate,
  candidatesFor,
  notePending,
  type SettledReceipts,
  type SegmentKey,
  settleReceipts,
  unknownCandidatesFor,
} from '../store/receipts.ts';
import type { SettledRow } from '../store/settlement.ts';
import { noteEvents } from '../store/submissions.ts';
import type { OperatorDirectory } from './operator-directory.ts';
import type { Receipt } from './parse-receipt.ts';
import { RecentIds } from './recent-ids.ts';

const MAX_BATCH = 500;
const LINGER_MS = 20;
/** Bounds all links together; each stops reading at 1,000 unanswered deliveries. */
const MAX_WAITING = 50_000;
const FIRST_RETRY_MS = 500;

/** `known`: it matched a segment; `kept`: it has matched none yet. */
export type Matched = 'known' | 'kept';

export interface ReceiptIntakeOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly directory: OperatorDirectory;
  readonly log: Logger;
  /** Whether what this operator took and could not deliver is refunded. */
  readonly refunds: (operatorId: number) => boolean;
  /** `owed`: how many callbacks wait to be claimed. */
  readonly onSettled: (rows: readonly SettledRow[], owed: number) => void;
  /** Asked for each batch; the callbacks it gives are claimed from the start. */
  readonly callbackHolder: () => CallbackHolder | undefined;
  readonly onBatch: (receipts: number) => void;
  readonly onReceipt: (operatorId: number, state: string) => void;
}

export class ReceiptIntake {
  readonly #options: ReceiptIntakeOptions;
  readonly #connection: StageConnection;
  readonly #commits: GroupCommit<Receipt, Matched>;
  readonly #recent = new RecentIds();
  /** The transform that matched last at each operator; the next batch tries it first. */
  readonly #learned = new Map<number, IdTransform>();

  constructor(options: ReceiptIntakeOptions) {
    this.#options = options;
    this.#connection = options.database.stage();
    this.#commits = new GroupCommit({
      maxBatch: MAX_BATCH,
      lingerMs: LINGER_MS,
      maxWaiting: MAX_WAITING,
      run: (batch) => this.match(batch, true),
    });
  }

  /**
   * Commits a receipt, then answers the operator; asked to send it again when it can't be committed. With `unmatched`
   * the answer to one that matches no segment is the caller's.
   */
  add(receipt: Receipt, respond: (status: number) => void, unmatched?: () => void): void {
    const accepted = this.#commits.add(receipt, (error, matched) => {
      if (error !== undefined) this.#options.log.error({ err: error }, 'receipts could not be committed');
      if (error === undefined && matched === 'kept' && unmatched) unmatched();
      else respond(error === undefined ? STATUS.ESME_ROK : STATUS.ESME_RX_T_APPN);
    });
    if (!accepted) respond(STATUS.ESME_RX_T_APPN);
  }

  stop(): Promise<void> {
    return this.#commits.drain();
  }

  /** Matches and commits a batch; `keep` says whether what matches nothing is stored (a retry is already). */
  async match(batch: readonly Receipt[], keep: boolean): Promise<Matched[]> {
    this.#options.onBatch(batch.length);
    const results: Matched[] = batch.map(() => 'kept');
    const pending = places(batch, (receipt) => !isFinalReceipt(receipt.state));
    const final = places(batch, (receipt) => isFinalReceipt(receipt.state));
    const unmatched = [
      ...(await this.#pending(batch, pending, results)),
      ...(await this.#exact(batch, final, results)),
    ];
    const unknown = unmatched.length === 0 ? [] : await this.#search(batch, unmatched, results);
    if (keep && unknown.length > 0) await this.#keep(unknown.map((place) => at(batch, place)));
    if (keep) for (const receipt of batch) this.#options.onReceipt(receipt.operatorId, receipt.state);
    return results;
  }

  /** Receipts that end nothing: gives the places of those whose segment is not known under their id. */
  async #pending(batch: readonly Receipt[], pending: readonly number[], results: Matched[]): Promise<number[]> {
    if (pending.length === 0) return [];
    const found = await this.#note(batch, pending, (receipt) => this.#likeliestKey(receipt));
    for (const place of found) results[place] = 'known';
    // One that is neither final nor ACCEPTD tells nothing that would be worth keeping.
    return pending.filter((place) => results[place] !== 'known' && at(batch, place).state === 'ACCEPTD');
  }

  /**
   * Notes the receipts at these places, which end nothing, under the keys given; gives the places whose segment was
   * found.
   */
  async #note(
    batch: readonly Receipt[],
    wanted: readonly number[],
    keyOf: (receipt: Receipt, place: number) => SegmentKey,
  ): Promise<number[]> {
    if (wanted.length === 0) return [];
    const rows = wanted.map((place) => {
      const receipt = at(batch, place);
      const key = keyOf(receipt, place);
      return {
        ...key,
        mobile: receipt.mobile,
        detail: receipt.detail,
        accepted: receipt.state === 'ACCEPTD',
      };
    });
    const found = await notePending(this.#connection, this.#options.clock.now(), rows);
    return found.map((n) => at(wanted, n - 1));
  }

  async #exact(batch: readonly Receipt[], final: readonly number[], results: Matched[]): Promise<number[]> {
    if (final.length === 0) return [];
    const found = await this.#settle(batch, final, (receipt) => this.#likeliestKey(receipt));
    for (const place of found) results[place] = 'known';
    return final.filter((place) => results[place] !== 'known');
  }

  /** Settles the receipts at these places under the keys given; gives the places whose segment was found. */
  async #settle(
    batch: readonly Receipt[],
    wanted: readonly number[],
    keyOf: (receipt: Receipt, place: number) => SegmentKey,
  ): Promise<number[]> {
    if (wanted.length === 0) return [];
    const arrived = wanted.map((place) => {
      const receipt = at(batch, place);
      const key = keyOf(receipt, place);
      return {
        ...key,
        mobile: receipt.mobile,
        state: receipt.state,
        doneAtMs: receipt.doneAtMs,
        detail: receipt.detail,
        refund: this.#options.refunds(key.operatorId),
      };
    });
    const { found, settled, unclaimed } = await this.#settleAndHandOver(arrived);
    if (settled.length > 0) this.#options.onSettled(settled, unclaimed);
    return found.map(([n, msgid]) => {
      const place = at(wanted, n - 1);
      this.#recent.add(this.#recentKey(at(batch, place)), msgid);
      return place;
    });
  }

  async #settleAndHandOver(arrived: readonly ArrivedReceipt[]): Promise<SettledReceipts> {
    const holder = this.#options.callbackHolder();
    const nowMs = this.#options.clock.now();
    const result = await settleReceipts(this.#connection, nowMs, arrived, holder).catch((error: unknown) => {
      holder?.lost();
      throw error;
    });
    holder?.take(result.claimed);
    return result;
  }

  /** The slow way, for receipts that the likeliest id did not match. Gives the places that stay unmatched. */
  async #search(batch: readonly Receipt[], wanted: readonly number[], results: Matched[]): Promise<number[]> {
    const left = await this.#noteRepeated(batch, wanted, results);
    const chosen = await this.#choose(batch, left);
    const keyOf = (receipt: Receipt, place: number): SegmentKey =>
      chosen.get(place) ?? { operatorMessageId: '', operatorId: receipt.operatorId };
    const [final, pending] = [true, false].map((wanted) =>
      [...chosen.keys()].filter((place) => isFinalReceipt(at(batch, place).state) === wanted),
    );
    const settled = await this.#settle(batch, final ?? [], keyOf);
    const noted = await this.#note(batch, pending ?? [], keyOf);
    for (const place of [...settled, ...noted]) results[place] = 'known';
    return left.filter((place) => results[place] !== 'known');
  }

  /** A receipt for a message that was settled before changes nothing and is only noted as an event. */
  async #noteRepeated(batch: readonly Receipt[], wanted: readonly number[], results: Matched[]): Promise<number[]> {
    const repeated = wanted.filter((place) => this.#recent.has(this.#recentKey(at(batch, place))));
    if (repeated.length === 0) return [...wanted];
    await noteEvents(
      this.#connection,
      repeated.map((place) => {
        const receipt = at(batch, place);
        return {
          msgid: this.#recent.get(this.#recentKey(receipt)) ?? 0,
          atMs: this.#options.clock.now(),
          kind: 'receipt-again',
          operatorId: receipt.operatorId,
          segment: undefined,
          link: undefined,
          sequence: undefined,
          operatorMessageId: receipt.id,
          status: undefined,
          detail: receipt.detail,
        };
      }),
    );
    for (const place of repeated) results[place] = 'known';
    const known = new Set(repeated);
    return wanted.filter((place) => !known.has(place));
  }

  /** With the recipient: an operator that starts its ids anew gives one to somebody else's message. */
  #recentKey({ operatorId, mobile, id }: Receipt): string {
    return `${this.#options.directory.sharing(operatorId)[0]}/${mobile ?? ''}/${id}`;
  }

  /** For each place the one key its segment may wait under; none when nothing or more than one agrees. */
  async #choose(batch: readonly Receipt[], wanted: readonly number[]): Promise<ReadonlyMap<number, SegmentKey>> {
    const chosen = new Map<number, SegmentKey>();
    if (wanted.length === 0) return chosen;
    const forms = wanted.flatMap((place) => this.#formsOf(at(batch, place)).map((form) => ({ n: place, ...form })));
    const byId = Map.groupBy(await candidatesFor(this.#connection, forms), (candidate) => candidate.n);
    const references = wanted.flatMap((n) => {
      const { mobile, operatorId, reference } = at(batch, n);
      if (mobile === undefined || reference === undefined) return [];
      return this.#options.directory
        .sharing(operatorId)
        .map((sharing) => ({ n, mobile, operatorId: sharing, reference }));
    });
    const unknown = references.length === 0 ? [] : await unknownCandidatesFor(this.#connection, references);
    const byReference = Map.groupBy(unknown, (candidate) => candidate.n);
    for (const place of wanted) {
      const receipt = at(batch, place);
      const key = onlyOne(receipt, byId.get(place)) ?? onlyOne(receipt, byReference.get(place));
      if (key === undefined) continue;
      chosen.set(place, key);
      const learned = forms.find((form) => form.n === place && form.id === key.operatorMessageId)?.transform;
      if (learned) this.#learned.set(receipt.operatorId, learned);
    }
    return chosen;
  }

  #formsOf(receipt: Receipt): { id: string; operatorId: number; transform: IdTransform }[] {
    const { directory } = this.#options;
    const idForm = directory.find(receipt.operatorId)?.settings.idForm ?? 'auto';
    return transformsFor(idForm).flatMap((transform) => {
      const id = transformId(receipt.id, transform);
      if (id === undefined) return [];
      return directory.sharing(receipt.operatorId).map((operatorId) => ({ id, operatorId, transform }));
    });
  }

  /** A form that was only learned has to agree with the recipient, so a receipt without one is taken as it is. */
  #likeliestKey(receipt: Receipt): SegmentKey {
    const idForm = this.#options.directory.find(receipt.operatorId)?.settings.idForm ?? 'auto';
    const learned = receipt.mobile === undefined ? undefined : this.#learned.get(receipt.operatorId);
    const transform = learned ?? transformsFor(idForm)[0];
    const operatorMessageId = (transform && transformId(receipt.id, transform)) ?? receipt.id;
    return { operatorMessageId, operatorId: receipt.operatorId };
  }

  async #keep(receipts: readonly Receipt[]): Promise<void> {
    const nowMs = this.#options.clock.now();
    await keepReceipts(
      this.#connection,
      nowMs,
      receipts.map((receipt) => ({
        operatorMessageId: receipt.id,
        operatorId: receipt.operatorId,
        mobile: receipt.mobile,
        reference: receipt.reference,
        state: receipt.state,
        doneAtMs: receipt.doneAtMs,
        detail: receipt.detail,
        retryAtMs: nowMs + FIRST_RETRY_MS,
      })),
    );
  }
}

function places(batch: readonly Receipt[], wanted: (receipt: Receipt) => boolean): number[] {
  return batch.flatMap((receipt, place) => (wanted(receipt) ? [place] : []));
}

/** An element that is there by construction: the index came from the same list. */
function at<Element>(list: readonly Element[], index: number): Element {
  return list[index] as Element;
}

/**
 * The key of the only segment that agrees with the receipt's recipient; without one an id in another form proves
 * nothing.
 */
function onlyOne(receipt: Receipt, candidates: readonly Candidate[] = []): SegmentKey | undefined {
  const agreeing = candidates.filter(({ id, mobile }) =>
    receipt.mobile === undefined ? sameDigits(id, receipt.id) : mobile === receipt.mobile,
  );
  const [first] = agreeing;
  if (!first || agreeing.some(({ id, operatorId }) => id !== first.id || operatorId !== first.operatorId))
    return undefined;
  return { operatorMessageId: first.id, operatorId: first.operatorId };
}

function sameDigits(id: string, given: string): boolean {
  return transformId(id, 'unpadded') === transformId(given, 'unpadded');
}
