// Checkout and order: when a deadline passes or the order changes, the server shows what is true now.
(() => {
  const { ask, wait, jitter, data } = page;
  let left = false;
  const again = () => { if (!left) { left = true; location.reload(); } };
  // A page must not reload in a circle when a deadline has passed and the server has not moved yet.
  document.addEventListener("over", async (event) => {
    if (event.target.dataset.then === "reload") { await wait(jitter(1500)); again(); }
  });
  addEventListener("pageshow", (event) => { if (event.persisted) again(); });
  // One click sends one form; the key makes a second one harmless anyway.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
    left = event.target.method === "post";
  });
  if (!data.moving) return;
  const watch = async () => {
    let pause = 1000;
    for (;;) {
      await wait(jitter(pause));
      try {
        const response = await ask(`/v1/orders/${data.order}`);
        if (!response.ok) throw new Error(response.status);
        const order = await response.json();
        const attempt = order.payment ? order.payment.state : null;
        if (order.state !== data.state || (attempt || "") !== (data.attempt || "")) return again();
        pause = data.state === "payment_processing" ? Math.min(pause * 1.15, 4000) : 5000;
      } catch { pause = Math.min(Math.max(pause, 2000) * 1.7, 30000); }
    }
  };
  watch();
})();
