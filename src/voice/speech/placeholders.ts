/** `{voice}`, `{speed}` and `{volume}` in what an operator configured for a driver, filled in from the request. */
import type { SpeechRequest } from './driver.ts';

const PLACEHOLDER = /\{(voice|speed|volume)\}/g;

export function fillPlaceholders(template: string, request: SpeechRequest): string {
  return template.replace(PLACEHOLDER, (_, name: 'voice' | 'speed' | 'volume') => String(request[name]));
}

/** Whether the engine is told the volume, and so is the one to apply it. */
export function mentionsVolume(templates: readonly string[]): boolean {
  return templates.some((template) => template.includes('{volume}'));
}
