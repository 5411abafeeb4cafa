/**
 * Stores segments that an operator took where their receipts will find them. Whatever ids the operator gave, every
 * segment waits afterwards, under its own id or without one.
 */
import type { Queryable } from '../store/database.ts';
import { setReceiptsAside } from '../store/kept-receipts.ts';
import {
  idsInUse,
  type RecordedSubmissions,
  recordSubmitted,
  type SubmittedSegment,
  waitingUnderTheirId,
} from '../store/submissions.ts';

/** Gives the segments whose receipts had come before; they are still to be settled. */
export async function recordSegments(
  db: Queryable,
  segments: readonly SubmittedSegment[],
): Promise<RecordedSubmissions['arrived']> {
  const recorded = await recordSubmitted(db, segments);
  return recorded.stored < segments.length
    ? [...recorded.arrived, ...(await recordLeftOver(db, segments))]
    : recorded.arrived;
}

/**
 * Segments whose id is taken already. If a receipt for another recipient has it, that receipt moves to a key of its
 * own. If another segment has it, the operator gave the id twice, and the newer segment waits as if it had got none.
 */
async function recordLeftOver(
  db: Queryable,
  segments: readonly SubmittedSegment[],
): Promise<RecordedSubmissions['arrived']> {
  const waiting = await waitingUnderTheirId(db, segments);
  const homeless = segments.filter((_, index) => !waiting.has(index));
  if (homeless.length === 0) return [];
  await setReceiptsAside(db, homeless);
  const taken = new Set(await idsInUse(db, homeless));
  const again = homeless.map((segment, index) => {
    const twice = taken.has(index) || homeless.findIndex((other) => sameId(other, segment)) !== index;
    if (!twice) return { ...segment, detail: 'a receipt for another recipient had this id' };
    const detail = `the operator gave the id ${segment.operatorMessageId} twice`;
    return { ...segment, operatorMessageId: undefined, detail };
  });
  return (await recordSubmitted(db, again)).arrived;
}

function sameId(a: SubmittedSegment, b: SubmittedSegment): boolean {
  return a.operatorId === b.operatorId && a.operatorMessageId === b.operatorMessageId;
}
