// One sale, live: asks each second, keeps five minutes of the rate, draws with two paths and three rectangles.
(() => {
  const { ask, wait, element, data, count } = page;
  const samples = [];
  const kept = 300;
  let missed = 0;
  const put = (id, value) => { const target = element(id); if (target && target.textContent !== value) target.textContent = value; };

  // Calls of the last seconds, as a rate.
  const actual = (seconds) => {
    const last = samples[samples.length - 1];
    const first = samples.find((sample) => last.at - sample.at <= seconds * 1000 + 500);
    return last.at - first.at < 2000 ? null : ((last.called - first.called) * 60000) / (last.at - first.at);
  };
  // The figure takes a minute, so that one call more or less does not look like a broken limit, but none from before the
  // target was changed.
  let targetSince = 0;
  const figure = () => actual(Math.min(60, (performance.now() - targetSince) / 1000));
  // The chart begins with one minute and grows to five.
  const span = () => Math.min(kept, Math.max(60, (samples[samples.length - 1].at - samples[0].at) / 1000)) * 1000;
  const path = (key, top, end) => {
    let draw = "", pen = "M";
    for (const sample of samples) {
      if (sample[key] === null) { pen = "M"; continue; }
      const x = 600 - ((end - sample.at) / span()) * 600;
      draw += `${pen}${x.toFixed(1)} ${(154 - (sample[key] / top) * 148).toFixed(1)}`;
      pen = "L";
    }
    return draw;
  };
  const chart = () => {
    const top = Math.max(10, ...samples.map((sample) => Math.max(sample.target, sample.actual || 0))) * 1.1;
    const end = samples[samples.length - 1].at;
    element("chart-target").setAttribute("d", path("target", top, end));
    element("chart-actual").setAttribute("d", path("actual", top, end));
    put("chart-top", `0–${count(Math.round(top))}`);
  };
  const bar = (units) => {
    element("bar").setAttribute("viewBox", `0 0 ${Math.max(1, units.total)} 10`);
    let x = 0;
    for (const key of ["sold", "held", "free"]) {
      const box = element(`bar-${key}`);
      box.setAttribute("x", x);
      box.setAttribute("width", Math.max(0, units[key]));
      x += units[key];
      put(key, count(units[key]));
    }
  };
  const orders = (states) => {
    const rows = Object.entries(states).filter(([, n]) => n > 0).map(([state, n]) => {
      const row = document.createElement("div"), name = document.createElement("dt"), value = document.createElement("dd");
      name.textContent = data.labels[state] || state;
      value.textContent = count(n);
      value.className = "figures";
      row.append(name, value);
      return row;
    });
    element("orders").replaceChildren(...rows);
  };
  // The controls go with these states, so the page is asked for anew; after a form was sent its answer is on the way already.
  const controlled = ["paused", "draining", "closed"];
  let sent = false;
  document.addEventListener("submit", () => { sent = true; });
  const changed = (state) => {
    if (sent || state === data.state) return;
    if (controlled.includes(state) || controlled.includes(data.state)) return location.reload();
    data.state = state;
    const [label, tone] = data.states[state];
    element("state").className = `label ${tone}`;
    put("state", label);
  };
  const show = (live) => {
    for (const key of ["waiting", "called", "active", "called_total", "admitted_total"]) put(key, count(live[key]));
    put("rate", count(Math.round(live.rate_per_minute)));
    changed(live.state);
    if (!samples.length || samples[samples.length - 1].target !== live.rate_per_minute) targetSince = performance.now();
    const sample = { at: performance.now(), called: live.called_total, target: live.rate_per_minute, actual: null };
    samples.push(sample);
    if (samples.length > kept) samples.shift();
    sample.actual = actual(10);
    const shown = figure();
    put("actual", shown === null ? "–" : count(Math.round(shown)));
    chart();
    bar(live.units);
    orders(live.orders);
    put("conservation", String(live.conservation));
    put("conservation-words", `(${live.conservation === 0 ? data.good : data.bad})`);
    element("conservation").className = live.conservation === 0 ? "figures" : "figures trouble";
    if (live.payment_seconds != null) put("payment", data.seconds.replace("{}", Number(live.payment_seconds).toFixed(1)));
  };
  const run = async () => {
    for (;;) {
      try {
        const response = await ask(`/v1/sales/${data.sale}/live`);
        if (response.status === 401) return location.reload();
        if (!response.ok) throw new Error(response.status);
        show(await response.json());
        missed = 0;
      } catch { missed += 1; }
      element("stale").hidden = missed < 3;
      await wait(missed < 3 ? 1000 : 3000);
    }
  };
  run();
})();
