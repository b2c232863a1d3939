// Shared by every page: the server's clock, times in the buyer's zone, countdowns.
"use strict";
const page = (() => {
  const root = document.documentElement;
  root.classList.add("script");
  const lang = root.lang;
  // The page was written about when its first byte came; from there the monotonic clock carries the server's on.
  const navigation = performance.getEntriesByType("navigation")[0];
  let offset = Number(root.dataset.now) - ((navigation && navigation.responseStart) || performance.now());
  const now = () => performance.now() + offset;
  // Takes the server's clock from an answer; half of the round trip has passed since it was written.
  const setClock = (response, asked) => {
    const told = response.headers.get("openrun-time");
    const time = /^\d+$/.test(told || "") ? Number(told) : Date.parse(told || "");
    if (time) offset = time + (performance.now() - asked) / 2 - performance.now();
  };
  const ask = async (url, options) => {
    const asked = performance.now();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 10000);
    try {
      const response = await fetch(url, { cache: "no-cache", signal: stop.signal, ...options });
      setClock(response, asked);
      return response;
    } finally { clearTimeout(timer); }
  };

  const two = (n) => String(n).padStart(2, "0");
  const figures = (ms) => {
    const left = Math.max(0, Math.ceil(ms / 1000));
    const d = Math.floor(left / 86400), h = Math.floor(left / 3600) % 24, m = Math.floor(left / 60) % 60, s = left % 60;
    if (d) return (d === 1 ? root.dataset.day : root.dataset.days).replace("{n}", d) + ` ${two(h)}:${two(m)}:${two(s)}`;
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };

  const seoul = "Asia/Seoul";
  const kst = root.dataset.kst;
  const format = (date, options) => new Intl.DateTimeFormat(lang === "ko" ? "ko-KR" : "en-GB", { hourCycle: "h23", ...options }).format(date);
  const local = (element) => {
    const date = new Date(element.dateTime);
    const time = { hour: "2-digit", minute: "2-digit" };
    if (element.dataset.local !== "minute") time.second = "2-digit";
    const day = element.dataset.local === "clock" ? {} : { month: "short", day: "numeric", weekday: "short" };
    // The year is worth saying only when it is another one.
    if (day.month && date.getFullYear() !== new Date(now()).getFullYear()) day.year = "numeric";
    const here = format(date, { ...day, ...time });
    const there = format(date, { ...time, timeZone: seoul });
    // The zone's own short name says whose time this is; in Korea there is only one.
    const same = format(date, { ...day, ...time, timeZone: seoul }) === here;
    const zone = same ? kst : format(date, { timeZoneName: "short" }).split(/,? /).pop();
    element.textContent = same ? `${here} ${kst}` : `${here} ${zone} · ${there} ${kst}`;
  };
  const stamp = (ms, precision) => {
    const element = document.createElement("time");
    element.dateTime = new Date(ms).toISOString();
    element.dataset.local = precision;
    local(element);
    return element;
  };
  document.querySelectorAll("time[data-local]").forEach(local);

  // A countdown ends once; `data-then` or a listener says what follows.
  const tick = () => {
    for (const element of document.querySelectorAll("[data-countdown]")) {
      const left = Number(element.dataset.countdown) - now();
      const text = figures(left);
      if (element.textContent !== text) element.textContent = text;
      element.classList.toggle("late-now", left < 60000 && element.id !== "opening");
      if (left <= 0 && !element.dataset.over) {
        element.dataset.over = "1";
        element.dispatchEvent(new CustomEvent("over", { bubbles: true }));
      }
    }
  };
  tick();
  setInterval(tick, 250);

  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const jitter = (ms) => ms * (0.8 + Math.random() * 0.4);
  const element = (id) => document.getElementById(id);
  const data = JSON.parse((element("data") || { textContent: "{}" }).textContent);
  const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  const plural = (words, n) => (n === 1 ? words.one : words.other);
  const say = (words, n) => plural(words, n).replace("{n}", count(n));
  return { ask, now, figures, stamp, tick, wait, jitter, element, data, count, plural, say };
})();
