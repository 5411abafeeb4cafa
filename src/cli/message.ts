/** `feige message show`: one message's life, line by line, each line at its instant in Taipei. */
import { Command } from 'commander';
import { displayMobile } from '../domain/phone-number.ts';
import type { MessageEvent, MessageLife, MessagePlace, StoredMessage } from '../store/message-life.ts';
import { CommandFailure } from './failure.ts';
import { count, type JsonOption, pairs, print, printable, taipei, withTimes } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parseMsgid } from './values.ts';

export function messageCommand(): Command {
  const message = new Command('message');
  message.addCommand(
    new Command('show')
      .description('show the life of a message: accepted, each submit, each receipt, refund, each callback attempt')
      .argument('<msgid>', 'as the send answer gave it', parseMsgid)
      .addOption(jsonOption())
      .addHelpText('after', '\nExample:\n  feige message show 100000042')
      .action(async (msgid: number, options: JsonOption) => {
        const { readMessageLife } = await import('../store/message-life.ts');
        const life = await withDatabase((db) => readMessageLife(db, msgid));
        if (life === undefined) throw new CommandFailure(`there is no message ${msgid}`);
        print(options, shown(life), () => describe(life));
      }),
  );
  return message;
}

function shown(life: MessageLife): object {
  const { mobile, ...message } = life.message;
  return {
    message: { ...withTimes(message), mobile: displayMobile(mobile) },
    events: life.events.map(withTimes),
    places: life.places.map(withTimes),
  };
}

interface Line {
  atMs: number;
  text: string;
}

/** The dispatcher notes the instant of a claim with the submit that follows it: one write instead of two. */
const CLAIMED = /^claimed (\d{4}-\d\d-\d\dT[\d:.]+Z)$/;

function linesOf({ message, events }: MessageLife): Line[] {
  const lines: Line[] = [{ atMs: message.acceptedAtMs, text: `accepted     ${acceptedText(message)}` }];
  const claims = new Set<string>();
  for (const event of events) {
    const claim = CLAIMED.exec(event.detail ?? '')?.[1];
    if (claim !== undefined && !claims.has(claim)) {
      claims.add(claim);
      const from = event.operator === null ? '' : `      for operator ${event.operator}`;
      lines.push({ atMs: Date.parse(claim), text: `claimed${from}` });
    }
    lines.push({ atMs: event.atMs, text: eventText(claim === undefined ? event : { ...event, detail: null }) });
  }
  return lines.toSorted((a, b) => a.atMs - b.atMs);
}

function describe(life: MessageLife): string {
  const { message, places } = life;
  return [
    pairs([
      ['msgid', message.msgid],
      ['account', message.username ?? 'gone'],
      ['mobile', displayMobile(message.mobile)],
      ['message', message.body],
      ['segments', message.segments],
      ['points', message.refunded === 0 ? message.points : `${message.points}, ${message.refunded} refunded`],
      ['valid until', taipei(message.expiresAtMs)],
      ['drurl', message.drurl ?? 'none'],
      ['state', message.state === null ? 'under way' : finalText(message)],
    ]),
    '',
    ...linesOf(life).map(({ atMs, text }) => `${taipei(atMs)}  ${text}`),
    ...(places.length === 0 ? [] : ['', ...places.map((place) => `now          ${placeText(place)}`)]),
  ].join('\n');
}

function acceptedText(message: StoredMessage): string {
  const price = `${count(message.segments, 'segment')}, ${count(message.points, 'point')}`;
  return message.scheduled ? `${price}, for ${taipei(message.dueAtMs)}` : price;
}

function finalText(message: StoredMessage): string {
  const correctable = message.correctable ? ' (by time-out; a late receipt may still correct it)' : '';
  const done = message.doneAtMs === null ? '' : `, done at ${taipei(message.doneAtMs)}`;
  return `${message.state ?? ''}${done}${correctable}`;
}

const KIND_COLUMNS = 12;

/** Any kind of event: what it has, in the order in which one asks for it. */
function eventText(event: MessageEvent): string {
  const parts: string[] = [];
  if (event.segment !== null) parts.push(`segment ${event.segment}`);
  if (event.operator !== null) parts.push(`operator ${event.operator}`);
  if (event.link !== null) parts.push(`link ${event.link}`);
  if (event.sequence !== null) parts.push(`sequence ${event.sequence}`);
  if (event.operatorMessageId !== null) parts.push(`operator's id ${event.operatorMessageId}`);
  if (event.status !== null) parts.push(`status ${statusText(event)}`);
  if (event.detail !== null) parts.push(event.detail);
  return `${printable(event.kind.padEnd(KIND_COLUMNS))} ${printable(parts.join(', '))}`.trimEnd();
}

/** HTTP answers as they are, a command_status in hex. */
function statusText(event: MessageEvent): string {
  if (event.status === null) return '';
  return event.kind.startsWith('callback') ? String(event.status) : `0x${(event.status >>> 0).toString(16)}`;
}

function placeText(place: MessagePlace): string {
  switch (place.place) {
    case 'queue': {
      const claimed = place.claimedByEpoch === null ? '' : `, claimed by node ${place.claimedByEpoch}`;
      return `in the queue for operator ${place.operator ?? 'gone'}${claimed}${tries(place.attempts)}`;
    }
    case 'deferred':
      return `waits for its ${place.why === 'scheduled' ? 'send time' : 'next try'} at ${taipei(place.dueAtMs)}${tries(place.attempts)}`;
    case 'in-flight': {
      const segment = place.segment === null ? '' : `segment ${place.segment} `;
      const id = place.outcomeUnknown ? 'its submit has no known outcome' : `operator's id ${place.operatorMessageId}`;
      const until = place.timedOut ? 'given up' : 'until';
      return `${segment}waits for a receipt of ${place.operator ?? 'gone'} (${printable(id)}), ${until} ${taipei(place.overdueAtMs)}`;
    }
    case 'outbox':
      return place.givenUp
        ? `callback ${place.callbackId} was given up after ${count(place.attempts, 'attempt')}; "callback replay ${place.callbackId}" sends it again`
        : `callback ${place.callbackId} is next tried at ${taipei(place.nextAtMs)}, until ${taipei(place.giveUpAtMs)}${tries(place.attempts)}`;
  }
}

function tries(attempts: number): string {
  return attempts === 0 ? '' : `, ${count(attempts, 'attempt')} so far`;
}
