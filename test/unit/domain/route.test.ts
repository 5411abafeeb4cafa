/** Which operator carries what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseOperator, type RouteCandidate, routesFor } from '../../../src/domain/route.ts';

function operator(operatorId: number, prefixes: string[], priority = 10, enabled = true): RouteCandidate {
  return { operatorId, prefixes, priority, enabled };
}

test('the longest matching prefix comes first, then the lower priority number, then the lower id', () => {
  const operators = [
    operator(4, ['']),
    operator(3, ['886'], 5),
    operator(2, ['886'], 20),
    operator(5, ['886'], 5),
    operator(1, ['852', '8869', '886'], 99),
    operator(6, ['86']),
  ];
  assert.deepEqual(routesFor('886911222333', operators), [1, 3, 5, 2, 4]);
  assert.deepEqual(routesFor('8613812345678', operators), [6, 4]);
});

test('disabled operators and those without a matching prefix are no routes', () => {
  const operators = [operator(1, ['886'], 1, false), operator(2, []), operator(3, ['852'])];
  assert.deepEqual(routesFor('886911222333', operators), []);
  assert.equal(
    chooseOperator('886911222333', operators, () => true),
    undefined,
  );
});

test('the first operator that is up is chosen, and the first of all when none is', () => {
  const operators = [operator(1, ['886'], 1), operator(2, ['886'], 2), operator(3, [''], 1)];
  assert.equal(
    chooseOperator('886911222333', operators, () => true),
    1,
  );
  assert.equal(
    chooseOperator('886911222333', operators, (id) => id !== 1),
    2,
  );
  assert.equal(
    chooseOperator('886911222333', operators, (id) => id === 3),
    3,
  );
  assert.equal(
    chooseOperator('886911222333', operators, () => false),
    1,
  );
});
