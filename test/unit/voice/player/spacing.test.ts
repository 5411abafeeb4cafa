import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketSpacing } from '../../../../src/voice/player/spacing.ts';

test('what one side counts the other is told, each time only of what is new', () => {
  const asked = new PacketSpacing();
  const counting = new PacketSpacing(asked.memory);
  for (let packet = 0; packet < 99; packet += 1) counting.add(20.01);
  counting.add(35.02);
  const told = asked.take([0.5, 0.99, 1]).map(({ quantile, ms }) => [quantile, Number(ms.toFixed(1))]);
  assert.deepEqual(told, [
    [0.5, 20.1],
    [0.99, 20.1],
    [1, 35.1],
  ]);
  assert.deepEqual(asked.take([1]), []);
  counting.add(5_000);
  assert.equal(asked.take([1])[0]?.ms, 200);
});
