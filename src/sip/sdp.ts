/**
 * SDP for one audio stream (RFC 4566, RFC 3264): our offer, our answer to a peer's offer, and what a peer's
 * description says about where and how it wants to hear. G.711 and telephone-event only; other streams are declined.
 */
import { isIP } from 'node:net';

/** Where and in which coding the peer takes our audio. */
export interface RemoteMedia {
  /** An IP address. */
  address: string;
  port: number;
  /** 0 PCMU, 8 PCMA (RFC 3551 §6). */
  payloadType: 0 | 8;
  /** Of telephone-event (RFC 4733), undefined when the peer does not take part. */
  dtmfPayloadType: number | undefined;
  /** The peer does not want to hear us now. */
  held: boolean;
}

export interface LocalMedia {
  /** An IP address. */
  address: string;
  port: number;
}

export type MediaResult = { kind: 'media'; media: RemoteMedia } | { kind: 'unusable'; reason: string };

type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

interface MediaSection {
  /** The value of `m=`. */
  line: string;
  connection: string | undefined;
  attributes: string[];
}

interface Description {
  connection: string | undefined;
  attributes: string[];
  sections: MediaSection[];
}

const MAX_SDP_CHARS = 16_384;
const MAX_SDP_LINES = 512;
const MAX_SECTIONS = 16;
const DTMF_PAYLOAD_TYPE = 101;
const PTIME_MS = 20;
const MAX_PORT = 65_535;
const MAX_PAYLOAD_TYPE = 127;
const DTMF_MAP = /^rtpmap:(\d{1,3})\s+telephone-event\/8000/i;

/** @param origin session id and version of `o=`; the version grows with every description we send (RFC 3264 §8) */
export function writeOffer(local: LocalMedia, origin: { id: number; version: number }): string {
  return [
    ...sessionLines(local, origin),
    `m=audio ${local.port} RTP/AVP 8 0 ${DTMF_PAYLOAD_TYPE}`,
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:0 PCMU/8000',
    ...closingLines(DTMF_PAYLOAD_TYPE, 'sendrecv'),
  ].join('\r\n');
}

/**
 * Answers each stream of the offer in its place: the audio stream that `readMedia` found, all others with port 0 (RFC
 * 3264 §6).
 */
export function writeAnswer(offer: string, local: LocalMedia, origin: { id: number; version: number }): string {
  const description = parseDescription(offer);
  const chosen = description === undefined ? undefined : audioSection(description);
  const lines = sessionLines(local, origin);
  for (const section of description?.sections ?? []) {
    if (section !== chosen?.section || chosen.media === undefined) {
      lines.push(`m=${declined(section.line)}`);
      continue;
    }
    const { payloadType, dtmfPayloadType } = chosen.media;
    const formats = [payloadType, ...(dtmfPayloadType === undefined ? [] : [dtmfPayloadType])].join(' ');
    lines.push(
      `m=audio ${local.port} RTP/AVP ${formats}`,
      `a=rtpmap:${payloadType} ${payloadType === 8 ? 'PCMA' : 'PCMU'}/8000`,
      ...closingLines(dtmfPayloadType, mirrored(chosen.direction)).slice(0, -1),
    );
  }
  return [...lines, ''].join('\r\n');
}

/** What the peer wants to hear, from its offer or its answer. */
export function readMedia(text: string): MediaResult {
  const description = parseDescription(text);
  if (description === undefined) return { kind: 'unusable', reason: 'no session description' };
  const found = audioSection(description);
  if (found === undefined) return { kind: 'unusable', reason: 'no audio stream' };
  if (found.media === undefined) return { kind: 'unusable', reason: found.reason };
  return { kind: 'media', media: found.media };
}

function sessionLines(local: LocalMedia, origin: { id: number; version: number }): string[] {
  const family = isIP(local.address) === 6 ? 'IP6' : 'IP4';
  const connection = `IN ${family} ${local.address}`;
  return ['v=0', `o=- ${origin.id} ${origin.version} ${connection}`, 's=-', `c=${connection}`, 't=0 0'];
}

function closingLines(dtmfPayloadType: number | undefined, direction: Direction): string[] {
  const dtmf =
    dtmfPayloadType === undefined
      ? []
      : [`a=rtpmap:${dtmfPayloadType} telephone-event/8000`, `a=fmtp:${dtmfPayloadType} 0-16`];
  return [...dtmf, `a=ptime:${PTIME_MS}`, `a=${direction}`, ''];
}

/** RFC 3264 §6: the stream's line comes back with port 0. */
function declined(line: string): string {
  const [kind = 'audio', , ...rest] = line.split(/\s+/);
  return [kind, '0', ...(rest.length < 2 ? ['RTP/AVP', '0'] : rest)].join(' ');
}

/** RFC 3264 §6.1. */
function mirrored(direction: Direction): Direction {
  if (direction === 'sendonly') return 'recvonly';
  return direction === 'recvonly' ? 'sendonly' : direction;
}

function parseDescription(text: string): Description | undefined {
  if (text.length > MAX_SDP_CHARS) return undefined;
  const lines = text.split(/\r\n|\n|\r/).slice(0, MAX_SDP_LINES);
  if (lines[0]?.trim() !== 'v=0') return undefined;
  const description: Description = { connection: undefined, attributes: [], sections: [] };
  for (const line of lines) {
    const value = line.slice(2).trim();
    const part = description.sections.at(-1) ?? description;
    if (line.startsWith('m=')) {
      if (description.sections.length >= MAX_SECTIONS) return undefined;
      description.sections.push({ line: value, connection: undefined, attributes: [] });
    } else if (line.startsWith('c=')) {
      // RFC 4566 §5.7: a stream's own line overrides the session's; of several the first counts.
      part.connection ??= value;
    } else if (line.startsWith('a=')) part.attributes.push(value);
  }
  return description;
}

interface AudioChoice {
  section: MediaSection;
  direction: Direction;
  media: RemoteMedia | undefined;
  reason: string;
}

/** The first audio stream that is not switched off; the first one at all when every one is. */
function audioSection(description: Description): AudioChoice | undefined {
  const choices = description.sections
    .filter(({ line }) => /^audio\s/i.test(line))
    .map((section) => judge(section, description));
  return choices.find(({ media }) => media !== undefined) ?? choices[0];
}

function judge(section: MediaSection, description: Description): AudioChoice {
  const direction = directionOf(section.attributes) ?? directionOf(description.attributes) ?? 'sendrecv';
  const unusable = (reason: string): AudioChoice => ({ section, direction, media: undefined, reason });
  const found = /^audio\s+(\d{1,5})(?:\/\d+)?\s+RTP\/AVP\s+([\d\s]+)$/i.exec(section.line);
  if (found === null) return unusable('audio is not RTP/AVP');
  const port = Number(found[1]);
  if (port === 0) return unusable('audio was declined');
  if (port > MAX_PORT) return unusable('port');
  const formats = (found[2] ?? '').trim().split(/\s+/).map(Number);
  const payloadType = formats.find((format): format is 0 | 8 => format === 8 || format === 0);
  if (payloadType === undefined) return unusable('neither PCMA nor PCMU');
  const address = addressOf(section.connection ?? description.connection);
  if (address === undefined) return unusable('no IP address in c=');
  const held = direction === 'sendonly' || direction === 'inactive' || address === '0.0.0.0' || address === '::';
  const dtmf = dtmfFormats(section.attributes);
  const dtmfPayloadType = formats.find((format) => dtmf.has(format));
  return { section, direction, media: { address, port, payloadType, dtmfPayloadType, held }, reason: '' };
}

/** RFC 3264 §8.4: `c=0.0.0.0` is the old way to hold. */
function addressOf(connection: string | undefined): string | undefined {
  const address = /^IN\s+IP[46]\s+([0-9A-Fa-f:.]+)(?:\/\d+)*$/i.exec(connection ?? '')?.[1] ?? '';
  return isIP(address) === 0 ? undefined : address;
}

function directionOf(attributes: readonly string[]): Direction | undefined {
  for (const attribute of attributes) {
    const name = attribute.toLowerCase();
    if (name === 'sendrecv' || name === 'sendonly' || name === 'recvonly' || name === 'inactive') return name;
  }
  return undefined;
}

/** The payload types of telephone-event. Each attribute is read once: asked anew for each format, 15 KB took 70 ms. */
function dtmfFormats(attributes: readonly string[]): ReadonlySet<number> {
  const found = attributes.map((attribute) => Number(DTMF_MAP.exec(attribute)?.[1] ?? Number.NaN));
  return new Set(found.filter((format) => format <= MAX_PAYLOAD_TYPE));
}
