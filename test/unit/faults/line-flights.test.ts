import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { HEARD_WITHIN_MS, LineFlights, UNREAD_MS } from '../../faults/line-flights.ts';

let now = 0;
let unheard = 0;
let line: LineFlights;
beforeEach(() => {
  now = 0;
  unheard = 0;
  line = new LineFlights(
    (segments) => {
      unheard += segments;
    },
    () => now,
  );
});

test('what was answered in time and read since is not in doubt, however the connection ends', () => {
  line.submitted(1);
  now = HEARD_WITHIN_MS;
  line.answered(1);
  now += UNREAD_MS + 1;
  line.ended();
  assert.equal(unheard, 0);
});

test('what was not answered at the end, and what may lie unread, was in flight', () => {
  for (const sequence of [1, 2, 3]) line.submitted(sequence);
  line.answered(1);
  now = UNREAD_MS + 1;
  line.answered(2);
  line.ended();
  assert.equal(unheard, 2, 'the second unread, the third without an answer');
  line.ended();
  assert.equal(unheard, 2, 'once');
});

test('a response after its time came too late, and counts once', () => {
  line.submitted(1);
  now = HEARD_WITHIN_MS + 1;
  line.answered(1);
  line.answered(1);
  assert.equal(unheard, 1);
  now += UNREAD_MS + 1;
  line.ended();
  assert.equal(unheard, 1);
});

test('a response after garbage is heard by nobody', () => {
  line.submitted(1);
  line.broke();
  line.answered(1);
  now = HEARD_WITHIN_MS;
  line.ended();
  assert.equal(unheard, 1);
});
