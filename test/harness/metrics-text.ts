/** Of what /metrics answers: a metric's sum over the series whose labels fit. A histogram is read by its `_count` and `_sum`. */
export function metricValue(text: string, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))]
    .filter(([, found]) => wanted.every((label) => found?.split(',').includes(label)))
    .reduce((sum, [, , value]) => sum + Number(value), 0);
}
