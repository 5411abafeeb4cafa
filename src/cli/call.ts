/** `feige call show`: one call's life, SIP message by message, each line at its instant in Taipei. */
import { Command } from 'commander';
import { displayMobile } from '../domain/phone-number.ts';
import type { CallLife, CallLifeEvent, CallPlace, LivedCall } from '../store/call-life.ts';
import { CommandFailure } from './failure.ts';
import { count, type JsonOption, pairs, print, printable, taipei, withTimes } from './output.ts';
import { withDatabase } from './platform.ts';
import { jsonOption, parseMsgid } from './values.ts';

export function callCommand(): Command {
  const call = new Command('call');
  call.addCommand(
    new Command('show')
      .description(
        'show the life of a call: accepted, each SIP message, RTP sent and received, end, each callback attempt',
      )
      .argument('<msgid>', 'as the send answer gave it', parseMsgid)
      .addOption(jsonOption())
      .addHelpText('after', '\nExample:\n  feige call show 100000042')
      .action(async (msgid: number, options: JsonOption) => {
        const { readCallLife } = await import('../store/call-life.ts');
        const life = await withDatabase((db) => readCallLife(db, msgid));
        if (life === undefined) throw new CommandFailure(`there is no call ${msgid}`);
        print(options, shown(life), () => describe(life));
      }),
  );
  return call;
}

function shown(life: CallLife): object {
  const { phone, ...call } = life.call;
  return {
    call: { ...withTimes(call), phone: displayMobile(phone) },
    events: life.events.map(withTimes),
    places: life.places.map(withTimes),
  };
}

function describe({ call, events, places }: CallLife): string {
  return [
    pairs([
      ['msgid', call.msgid],
      ['account', call.username ?? 'gone'],
      ['phone', displayMobile(call.phone)],
      ['plays', playsText(call)],
      ['message', call.body],
      ['points', pointsText(call)],
      ['response', call.response ?? 'none'],
      ['state', call.state === null ? 'under way' : finalText(call)],
    ]),
    '',
    `${taipei(call.acceptedAtMs)}  accepted      ${count(call.points, 'point')} reserved`,
    ...events.map((event) => `${taipei(event.atMs)}  ${eventText(event)}`),
    ...(places.length === 0 ? [] : ['', ...places.map((place) => `now  ${placeText(place)}`)]),
  ].join('\n');
}

function playsText(call: LivedCall): string {
  const what =
    call.type === 2 ? 'a recording' : `the text, voice ${call.voice}, speed ${call.speed}, volume ${call.volume}`;
  if (call.replayMode === 0) return what;
  const times = count(call.replayTimes, 'time');
  return call.replayMode === 1 ? `${what}, ${times}` : `${what}, again up to ${times} when 1 is pressed`;
}

function pointsText({ points, refunded, unitPoints, unitSeconds, state }: LivedCall): string {
  const tariff = `${unitPoints} for each started ${unitSeconds} s`;
  return state === null ? `${points} reserved (${tariff})` : `${points - refunded} of ${points} reserved (${tariff})`;
}

function finalText({ state, seconds, doneAtMs, reason }: LivedCall): string {
  const done = doneAtMs === null ? '' : `, done at ${taipei(doneAtMs)}`;
  return `${state ?? ''}, ${seconds ?? 0} s${done}${reason === null ? '' : ` (${reason})`}`;
}

const KIND_COLUMNS = 13;

function eventText({ kind, trunk, status, detail }: CallLifeEvent): string {
  const parts = [
    ...(trunk === null ? [] : [`trunk ${trunk}`]),
    ...(status === null ? [] : [`status ${status}`]),
    ...(detail === null ? [] : [detail]),
  ];
  return `${printable(kind.padEnd(KIND_COLUMNS))} ${printable(parts.join(', '))}`.trimEnd();
}

function placeText(place: CallPlace): string {
  if (place.place === 'outbox') {
    return place.givenUp
      ? `callback ${place.callbackId} was given up after ${count(place.attempts, 'attempt')}; "callback replay ${place.callbackId}" sends it again`
      : `callback ${place.callbackId} is next tried at ${taipei(place.nextAtMs)}, until ${taipei(place.giveUpAtMs)}`;
  }
  const tried = place.attempts === 0 ? '' : `, every trunk failed ${count(place.attempts, 'time')}`;
  if (place.answeredAtMs !== null) return `talks since ${taipei(place.answeredAtMs)}`;
  if (place.claimedByEpoch !== null) return `with node ${place.claimedByEpoch}${tried}`;
  return place.dueAtMs === null ? `in the queue${tried}` : `waits for its next try at ${taipei(place.dueAtMs)}${tried}`;
}
