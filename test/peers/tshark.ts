/** tshark as a reader that is not ours: what it makes of a packet file, and everything it finds wrong in it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeFolder, outputOf } from './peer-process.ts';

type Json = string | Json[] | { [name: string]: Json };

/** Fields by tshark's names; a list where a name stands there several times. */
export type Layer = Record<string, Json>;

export interface DecodedPacket {
  number: number;
  /** The protocols in the order they lie in each other. */
  layers: Readonly<Record<string, readonly Layer[]>>;
}

export interface Decoded {
  packets: readonly DecodedPacket[];
  /** Malformed packets and every note of tshark's experts from a warning on; empty when all is well. */
  complaints: readonly string[];
}

/** The severities of epan/proto.h, of which a warning is the first that is a fault. */
const SEVERITY_WARNING = 0x600000;

/** @param options of tshark, beside those that name the file and the form of its answer */
export async function decode(
  context: TestContext,
  packetFile: Buffer,
  options: readonly string[] = [],
): Promise<Decoded> {
  const path = join(await makeFolder(context), 'recorded.pcap');
  await writeFile(path, packetFile);
  const output = await outputOf('tshark', ['-r', path, '-T', 'json', '--no-duplicate-keys', ...options]);
  const packets = (JSON.parse(output) as { _source: { layers: Layer } }[]).map(({ _source }, index) => ({
    number: index + 1,
    layers: Object.fromEntries(Object.entries(_source.layers).map(([name, layer]) => [name, objectsOf(layer)])),
  }));
  return { packets, complaints: packets.flatMap(complaintsOf) };
}

/** The value of a field at any depth, all of them in order. */
export function allFieldsOf(layer: Json, name: string): string[] {
  if (typeof layer === 'string') return [];
  if (Array.isArray(layer)) return layer.flatMap((one) => allFieldsOf(one, name));
  return Object.entries(layer).flatMap(([key, value]) => (key === name ? stringsOf(value) : allFieldsOf(value, name)));
}

/** The only value of a field, or undefined when it is not there. */
export function fieldOf(layer: Json, name: string): string | undefined {
  const [value, ...others] = allFieldsOf(layer, name);
  if (others.length > 0) throw new Error(`${name} stands there ${others.length + 1} times`);
  return value;
}

function stringsOf(value: Json): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.flatMap(stringsOf) : [];
}

function objectsOf(value: Json | undefined): Layer[] {
  if (value === undefined || typeof value === 'string') return [];
  return Array.isArray(value) ? value.flatMap(objectsOf) : [value];
}

function complaintsOf({ number, layers }: DecodedPacket): string[] {
  return Object.entries(layers).flatMap(([name, layer]) => {
    if (name === '_ws.malformed') return [`packet ${number} is malformed: ${JSON.stringify(layer)}`];
    return layer.flatMap(expertsOf).map((words) => `packet ${number}, ${name}: ${words}`);
  });
}

function expertsOf(layer: Layer): string[] {
  return Object.entries(layer).flatMap(([name, value]) => {
    const inside = objectsOf(value);
    if (name === '_ws.malformed') return [JSON.stringify(value)];
    if (name !== '_ws.expert') return inside.flatMap(expertsOf);
    return inside
      .filter((expert) => Number(expert['_ws.expert.severity']) >= SEVERITY_WARNING)
      .map((expert) => JSON.stringify(expert));
  });
}
