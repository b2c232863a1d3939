// The waiting page. One public frame serves everybody; this works out one person's place from it.
(() => {
  const { ask, now, stamp, jitter, element, data, count, plural, say } = page;
  const words = data.words;
  const sale = `/v1/sales/${data.sale}`;
  const main = element("line");
  const atServer = ["called", "late", "admitted", "consumed", "expired", "left", "closed"];
  const final = ["admitted", "consumed", "expired", "left"];
  const ticket = { state: atServer.includes(data.view) ? data.view : "waiting", until: data.until };
  let frame = null;
  let view = data.view;
  let pollAfter = 3000;
  let heardAt = performance.now();
  // The open stream; null in a tab that follows another.
  let source = null;

  // The lowest place said so far, and the start of the own way, survive a reload.
  const memory = (() => {
    const key = `openrun.${data.ticket}`;
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* Private windows may refuse; the page works without. */ }
    const keep = () => { try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* As above. */ } };
    const lower = (epoch, ahead) => {
      if (kept.epoch !== epoch) { kept.epoch = epoch; kept.low = ahead; }
      kept.low = Math.min(kept.low, ahead);
      kept.start = Math.max(kept.start || 0, ahead);
      keep();
      return kept.low;
    };
    return { lower, start: () => kept.start || 0 };
  })();

  // People ahead at most: every live ticket of the buckets before mine, and in mine no more than numbers stand before me.
  // Numbers that the frame does not know to be given count as live. The server counts the same way.
  const ahead = ({ histogram: { bucket, live }, serving, last_number }) => {
    const mine = Math.floor((data.number - 1) / bucket);
    const start = mine * bucket;
    let before = 0;
    for (let b = 0; b < mine; b += 1) before += live[b] || 0;
    const known = Math.max(last_number, serving);
    const notGiven = Math.max(0, start + bucket - Math.max(known, start));
    const offset = Math.max(0, data.number - Math.max(start, serving) - 1);
    return before + Math.max(0, start - known) + Math.min((live[mine] || 0) + notGiven, offset);
  };

  // A number that a lost life of the line called stands at the front again, among others who come back.
  const isPutBack = () => frame.epoch > 1 && data.number <= frame.serving;
  const nearest = () => (isPutBack() ? words.front : words.next);

  const viewNow = () => {
    if (ticket.state !== "waiting") return ticket.state;
    const state = frame ? frame.state : data.sale_state;
    return { scheduled: "lobby", lobby: "lobby", paused: "paused", sold_out: "sold_out", draining: "closed", closed: "closed" }[state] || "waiting";
  };

  // Time as a range. The rate is what the seller allows, or what really happened lately if that is less.
  const steps = [];
  const spread = data.p50 ? Math.min(3, Math.max(1.2, data.p90 / data.p50)) : 1.6;
  const rate = () => {
    const last = steps[steps.length - 1], first = steps[0];
    const minutes = (last.at - first.at) / 60000;
    return minutes < 0.4 ? frame.rate_per_minute : Math.min(frame.rate_per_minute, (last.serving - first.serving) / minutes);
  };
  const range = (p50, p90) => {
    const low = Math.floor(p50 / 60), high = Math.ceil(p90 / 60);
    const two = (text, a, b) => text.replace("{}", a).replace("{}", b);
    if (high <= 1) return words.eta_minute;
    if (high <= 90) return low > 1 && low < high ? two(words.eta_minutes, low, high) : say(words.eta_up_to_minutes, high);
    const hours = Math.ceil(high / 60), from = Math.floor(low / 60);
    return from >= 1 && from < hours ? two(words.eta_hours, from, hours) : say(words.eta_up_to_hours, hours);
  };
  const promise = { until: null, rate: 0, paused: false };
  const time = (place, left) => {
    if (view === "paused") { promise.paused = true; return words.eta_paused; }
    const perMinute = left && !isPutBack() ? rate() : 0;
    if (!perMinute) return words.eta_unknown;
    const p50 = ((place + 1) / perMinute) * 60;
    const until = now() + p50 * spread * 1000;
    // When it takes clearly longer than was said, the page says why.
    if (promise.until && until > promise.until + Math.max(60000, p50 * 250)) {
      const why = promise.paused ? words.slower_paused : frame.rate_per_minute < promise.rate * 0.95 ? words.slower_rate : words.slower_payments;
      element("slower").textContent = why;
      promise.until = null;
    }
    if (!promise.until) Object.assign(promise, { until, rate: frame.rate_per_minute, paused: false });
    promise.until = Math.min(promise.until, until);
    return range(p50, p50 * spread);
  };

  const stock = (place, left, held) => {
    if (!left) return held ? words.stock_in_hands : "";
    return say(place >= left + held ? words.stock_unlikely : words.stock_about, left);
  };

  // Said aloud: at most once a minute, and at half of the way, 100, 10 and next.
  const spoken = { at: -60000, place: null };
  const speak = (text, urgent) => { element(urgent ? "alert" : "status").textContent = text; };
  const announce = (place) => {
    const was = spoken.place;
    const marks = [Math.floor(memory.start() / 2), 100, 10, 0];
    const crossed = was !== null && marks.some((mark) => was > mark && place <= mark);
    if (was === null) { spoken.place = place; return; }
    if (crossed || (place < was && performance.now() - spoken.at > 60000)) {
      speak(place ? say(words.ahead, place) : nearest());
      spoken.at = performance.now();
      spoken.place = place;
    }
  };

  const put = (id, text) => { if (element(id).textContent !== text) element(id).textContent = text; };
  const people = (place) => {
    const [before, after] = plural(words.ahead, place).split("{n}");
    put("before", before);
    put("ahead", count(place));
    put("after", after);
    element("people").hidden = place === 0;
    element("next").hidden = place !== 0;
  };
  const showPlace = () => {
    const place = memory.lower(String(frame.epoch), ahead(frame));
    const left = frame.items.reduce((sum, item) => sum + item.left, 0);
    const held = frame.items.reduce((sum, item) => sum + item.held, 0);
    people(place);
    put("next", nearest());
    put("time", time(place, left));
    put("stock", stock(place, left, held));
    element("stock").hidden = !element("stock").textContent;
    const way = element("way");
    way.hidden = !memory.start();
    way.value = Math.max(way.value, 1 - place / Math.max(1, memory.start()));
    announce(place);
    return place ? say(words.ahead, place) : nearest();
  };

  const icon = element("icon").getAttribute("href");
  const show = () => {
    const was = view;
    view = viewNow();
    main.dataset.view = view;
    put("heading", words[view]);
    for (const block of document.querySelectorAll("[data-when]")) block.hidden = !block.dataset.when.split(" ").includes(view);
    let title = words[view];
    if (frame) {
      const told = frame.message && frame.message[document.documentElement.lang];
      element("message").hidden = !told;
      put("message-words", told || "");
      element("trouble").hidden = !frame.trouble;
      if (view === "waiting" || view === "paused") title = showPlace();
    }
    document.title = `${view === "called" ? `● ${words.turn_title}` : title} · ${data.sale_name}`;
    element("icon").href = view === "called" ? icon.replace("3346c9", "17663a").replace("fill='none'", "fill='white'") : icon;
    if (view === was) return;
    if (view === "called") turn(); else speak(words[view]);
  };

  // Your turn. Only what the person switched on makes a noise.
  let sound = null, screen = null, warned = false;
  const beep = () => {
    [0, 0.35, 0.7].forEach((start) => {
      const tone = sound.createOscillator(), gain = sound.createGain();
      tone.frequency.value = 880;
      gain.gain.setValueAtTime(0.25, sound.currentTime + start);
      gain.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + start + 0.3);
      tone.connect(gain).connect(sound.destination);
      tone.start(sound.currentTime + start);
      tone.stop(sound.currentTime + start + 0.3);
    });
  };
  const turn = () => {
    warned = false;
    speak(words.called, true);
    if (sound) beep();
    if (element("notification").checked) {
      try { new Notification(words.called, { body: data.sale_name, tag: data.ticket }); } catch { /* Some phones show none from a page. */ }
    }
  };
  const countDown = () => {
    const clock = element("turn");
    if (view !== "called" || !ticket.until) return;
    if (clock.dataset.countdown !== String(ticket.until)) {
      clock.dataset.countdown = ticket.until;
      delete clock.dataset.over;
      page.tick();
    }
    if (!warned && ticket.until - now() < 60000) {
      // A window that is short from the start needs no warning of its own.
      if (ticket.until - now() > 50000) speak(words.one_minute, true);
      warned = true;
    }
  };
  const holdScreen = async () => {
    try { screen = await navigator.wakeLock.request("screen"); } catch { element("screen").checked = false; }
  };
  const switches = () => {
    const offered = { sound: "AudioContext" in window, notification: "Notification" in window, screen: "wakeLock" in navigator };
    for (const id in offered) element(id).parentElement.hidden = !offered[id];
    element("sound").addEventListener("change", (event) => {
      if (sound) sound.close();
      sound = event.target.checked ? new AudioContext() : null;
    });
    element("notification").addEventListener("change", async (event) => {
      if (event.target.checked) event.target.checked = (await Notification.requestPermission()) === "granted";
    });
    element("screen").addEventListener("change", (event) => {
      if (event.target.checked) holdScreen();
      else if (screen) screen.release();
    });
  };

  // Asking for the own ticket: only when the frame says that something concerns it.
  let asking = false, askTimer = 0, calledByFrame = false;
  // The listening tab asks; the others only when nothing came from it for a while.
  const askSoon = (ms) => { clearTimeout(askTimer); askTimer = setTimeout(askSelf, source ? ms : ms + 5000); };
  const concerned = () => ticket.state === "called" || ticket.state === "late" || (ticket.state === "waiting" && frame && data.number <= frame.serving);
  const takeTicket = (told) => {
    clearTimeout(askTimer);
    ticket.state = atServer.includes(told.state) ? told.state : "waiting";
    ticket.until = told.called_until ? Date.parse(told.called_until) : null;
    show();
    countDown();
    if (final.includes(ticket.state)) stop();
    else if (concerned()) askSoon(jitter(Math.max(2000, pollAfter)));
  };
  const reloadOnce = () => {
    // What the store does not know the server explains best, but never in a circle.
    const key = `openrun.reloaded.${data.ticket}`;
    try {
      if (Date.now() - Number(sessionStorage.getItem(key)) < 30000) return;
      sessionStorage.setItem(key, Date.now());
    } catch { return; }
    location.reload();
  };
  const askSelf = async () => {
    if (asking) return;
    asking = true;
    try {
      const response = await ask(`${sale}/tickets/self`);
      if ([401, 403, 404, 410].includes(response.status)) return reloadOnce();
      if (!response.ok) throw new Error(response.status);
      const told = await response.json();
      takeTicket(told);
      tell({ told });
    } catch {
      askSoon(jitter(pollAfter));
    } finally { asking = false; }
  };

  const takeFrame = (next) => {
    const last = frame || { epoch: data.epoch, state: data.sale_state };
    frame = next;
    pollAfter = next.poll_after_ms || pollAfter;
    const pausedOrNew = next.state === "paused" || String(last.epoch) !== String(next.epoch);
    if (pausedOrNew) steps.length = 0;
    steps.push({ at: performance.now(), serving: next.serving });
    while (performance.now() - steps[0].at > 120000) steps.shift();
    if (String(last.epoch) !== String(next.epoch) || last.state !== next.state) askSoon(Math.random() * pollAfter);
    else if (concerned() && !calledByFrame) askSoon(0);
    calledByFrame = concerned();
    show();
  };

  // Hearing from the server. What one tab hears, the others of this browser are told.
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(`openrun-${data.ticket}`) : null;
  const tell = (message) => { if (channel) channel.postMessage(message); };
  let lostAt = 0;
  const lost = (is) => {
    lostAt = is ? lostAt || performance.now() : 0;
    element("lost").hidden = !is;
    element("lost-long").hidden = !is || performance.now() - lostAt < 60000;
    for (const id of ["people", "time", "stock"]) element(id).classList.toggle("old", is);
  };
  const heard = (next) => {
    heardAt = performance.now();
    lost(false);
    element("heard").replaceChildren(stamp(now(), "clock"));
    if (next) takeFrame(next);
  };
  if (channel) channel.onmessage = ({ data: { next, told } }) => { if (told) takeTicket(told); else heard(next); };

  let endStream = () => {}, wake = () => {}, stopped = false;
  const rest = (ms) => new Promise((done) => { const timer = setTimeout(done, ms); wake = () => { clearTimeout(timer); done(); }; });
  const stop = () => { stopped = true; endStream("stopped"); wake(); };
  const stream = () => new Promise((done) => {
    let quiet = 0;
    source = new EventSource(`${sale}/stream`);
    endStream = (why) => { clearTimeout(quiet); source.close(); done(why); };
    const alive = (next) => {
      clearTimeout(quiet);
      quiet = setTimeout(endStream, 35000, "silent");
      heard(next);
      tell({ next });
    };
    quiet = setTimeout(endStream, 35000, "silent");
    source.addEventListener("frame", (event) => alive(JSON.parse(event.data)));
    source.addEventListener("heartbeat", () => alive());
    source.onerror = () => endStream("broken");
  });
  const poll = async () => {
    try {
      const response = await ask(`${sale}/frame`);
      if (!response.ok) throw new Error(response.status);
      const next = await response.json();
      heard(next);
      tell({ next });
      return true;
    } catch { return false; }
  };
  const listen = async () => {
    let missed = 0, broken = 0;
    while (!stopped) {
      const opened = performance.now();
      const why = await stream();
      if (stopped) return;
      broken = performance.now() - opened > 60000 ? 1 : broken + 1;
      // Polling carries on until the stream is tried again: soon after a break, after a minute of silence.
      const again = performance.now() + (why === "silent" ? 60000 : Math.min(60000, 1000 * 2 ** broken));
      do {
        if (await poll()) { missed = 0; await rest(jitter(pollAfter)); }
        else { missed += 1; lost(true); await rest(Math.min(30000, 2000 * 2 ** (missed - 1)) * (0.75 + Math.random() * 0.25) + 500); }
      } while (!stopped && performance.now() < again);
    }
  };
  const again = async () => {
    wake();
    if (performance.now() - heardAt > 35000) endStream("silent");
    if (!await poll()) lost(true);
  };

  element("turn").addEventListener("over", () => askSoon(500 + Math.random() * 1000));
  element("retry").addEventListener("click", again);
  addEventListener("online", again);
  addEventListener("offline", () => { endStream("broken"); lost(true); });
  addEventListener("pageshow", (event) => { if (event.persisted) again(); });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    again();
    if (element("screen").checked) holdScreen();
  });
  setInterval(() => {
    countDown();
    if (lostAt) lost(true);
  }, 1000);

  switches();
  if (data.ahead !== null) people(memory.lower(data.epoch, data.ahead));
  show();
  countDown();
  if (view === "called") turn();
  if (concerned()) askSoon(jitter(pollAfter));
  if (final.includes(view)) return;
  // The tab that holds the lock listens; a tab that hears nothing from it asks by itself.
  setInterval(() => { if (!source && performance.now() - heardAt > 35000) poll().then((good) => { if (!good) lost(true); }); }, 10000);
  if (navigator.locks) navigator.locks.request(`openrun-${data.ticket}`, listen); else listen();
})();
