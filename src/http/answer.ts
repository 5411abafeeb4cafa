/**
 * What an API endpoint answers: a code and the JSON that carries it, always with status 200 (spec README point 9).
 * Answers that are the same every time are made once, headers included.
 */
import type { ServerResponse } from 'node:http';
import { asciiJson, type CodeAnswer, codeAnswer } from '../domain/answers.ts';
import { CODES, type Code } from '../domain/codes.ts';

export interface JsonAnswer {
  readonly code: Code;
  readonly headers: string[];
  /** ASCII only. */
  readonly body: string;
}

/** `no-answer`: nobody knows what became of the request, so the connection is closed without a word. */
export type Answer = JsonAnswer | 'no-answer';

const OK = 200;

export function jsonAnswer(value: CodeAnswer): JsonAnswer {
  return fromBody(value.code, asciiJson(value));
}

/** 00000 for an accepted message; by hand, since it is the one that is answered thousands of times a second. */
export function sentAnswer(msgid: number): JsonAnswer {
  return fromBody('00000', `${SENT_BEGINNING}${msgid}}`);
}

/** The answer that is a code and its text and nothing else. */
export function fixedAnswer(code: Code): JsonAnswer {
  return FIXED[code];
}

export function writeAnswer(response: ServerResponse, answer: Answer): void {
  if (answer === 'no-answer') {
    response.destroy();
    return;
  }
  response.writeHead(OK, answer.headers);
  response.end(answer.body, 'latin1');
}

function fromBody(code: Code, body: string): JsonAnswer {
  return {
    code,
    headers: ['Content-Type', 'application/json; charset=utf-8', 'Content-Length', String(body.length)],
    body,
  };
}

const SENT_BEGINNING = `${asciiJson(codeAnswer('00000')).slice(0, -1)},"msgid":`;

const FIXED = Object.fromEntries(
  (Object.keys(CODES) as Code[]).map((code) => [code, fromBody(code, asciiJson(codeAnswer(code)))]),
) as Readonly<Record<Code, JsonAnswer>>;
