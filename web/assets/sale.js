// The sale page: at the opening the button appears by itself, and a failed join asks again with the same key.
(() => {
  const { ask, now, wait, jitter, element, data } = page;
  const form = element("join"), before = element("before"), trying = element("trying");
  const frame = `/v1/sales/${data.sale}/frame`;
  if (data.joined || !form) return;

  // Ready beforehand: the connection is open and the clock set when the moment comes.
  const prepare = async () => {
    const left = data.opens_at - now() - 5000 - Math.random() * 20000;
    if (left > 0) await wait(Math.min(left, 2 ** 31 - 1));
    try {
      const told = await (await ask(frame)).json();
      // The seller moved the opening.
      if (told.opens_at && Math.abs(Date.parse(told.opens_at) - data.opens_at) > 999) location.reload();
    } catch { /* The countdown goes on; the join asks again anyway. */ }
  };
  const open = () => {
    if (before) before.hidden = true;
    element("label").hidden = true;
    form.hidden = false;
    element("status").textContent = data.open_now;
  };
  if (before) {
    element("opening").addEventListener("over", open);
    prepare();
  }

  const join = async () => {
    try {
      const response = await ask(`/v1/sales/${data.sale}/tickets`, { method: "POST", headers: { "Idempotency-Key": data.key } });
      if (response.ok) return location.assign(`/sales/${data.sale}/line`);
      if (response.status === 410 || response.status === 404) return location.reload();
      const retry = Number(response.headers.get("retry-after"));
      if (response.status === 409 || response.status === 429 || response.status >= 500) return jitter(Math.max(300, retry * 1000 || 1000));
    } catch {
      return jitter(2000);
    }
    // Anything else is said best by the page that answers the plain form.
    form.submit();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    element("join-button").disabled = true;
    const slow = setTimeout(() => {
      form.hidden = true;
      trying.hidden = false;
      element("status").textContent = trying.textContent.trim();
    }, 800);
    for (let pause = await join(); pause; pause = await join()) await wait(pause);
    clearTimeout(slow);
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
