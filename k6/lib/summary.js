// The end of a run: one line per promise, `ok` or `not ok`, and what became of the buyers. SUMMARY_FILE names a file
// for everything that k6 measured, as JSON.

const shown = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(value < 0.9999 ? 4 : 2));

/** What a threshold was measured at: `p(95)<60` is about p(95), `count==0` about count. */
function measured(metric, threshold) {
  const value = metric.values[threshold.split(/[<>=!]/)[0].trim()];
  // A latency of nothing is one that was never measured.
  const isMissing = value === undefined || (metric.type === 'trend' && value === 0);
  return isMissing ? 'no sample' : shown(value);
}

function promises(script, metrics) {
  const names = Object.keys(metrics).sort();
  return names.flatMap((name) =>
    Object.entries(metrics[name].thresholds || {}).map(
      ([threshold, { ok }]) => `${ok ? 'ok' : 'not ok'} - ${script}: ${name} ${threshold} (${measured(metrics[name], threshold)})`,
    ),
  );
}

function failedChecks({ groups = [], checks = [] }) {
  const own = checks.filter(({ fails }) => fails > 0).map(({ name, fails, passes }) => `  ${name}: failed ${fails} of ${fails + passes}`);
  return own.concat(groups.flatMap(failedChecks));
}

function figures(metrics) {
  const count = (name) => (metrics[name] ? metrics[name].values.count : 0);
  const outcomes = ['joined', 'admitted', 'reserved', 'paid'].map((name) => `${count(`openrun_${name}`)} ${name}`);
  return `  ${count('http_reqs')} requests, ${count('iterations')} iterations, ${outcomes.join(', ')}`;
}

/** `export const handleSummary = summary('smoke')`. */
export function summary(script) {
  return (data) => {
    const lines = [...promises(script, data.metrics), ...failedChecks(data.root_group), figures(data.metrics), ''];
    const files = { stdout: lines.join('\n') };
    if (__ENV.SUMMARY_FILE) files[__ENV.SUMMARY_FILE] = JSON.stringify(data, null, 2);
    return files;
  };
}
