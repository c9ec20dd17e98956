// The live view, the keys, the theme, and the selection of jobs. All reading works without it.
"use strict";
(() => {
  const html = document.documentElement;
  html.classList.add("js");
  const main = () => document.getElementById("main");
  const by = (id) => document.getElementById(id);
  const root = document.body.dataset.root || "";

  // Live view: the page is asked for anew and its main part is morphed into the new one.
  let paused = sessionStorage.getItem("ajr-paused") === "1";
  let asked = performance.now();
  let waiting = false;

  const showPaused = () => {
    const button = by("pause");
    const still = main().dataset.every === "0";
    button.setAttribute("aria-pressed", String(paused || still));
    button.querySelector(".word").textContent = still ? "Not live" : paused ? "Paused" : "Live";
  };
  const showLost = (lost) => {
    by("lost").hidden = !lost;
    html.classList.toggle("lost", lost);
  };
  const refresh = () => {
    asked = performance.now();
    waiting = true;
    main().dispatchEvent(new Event("tick"));
  };
  const busy = () => {
    // Nobody's typing, open menu or question is taken away.
    const at = document.activeElement;
    const typing = at && at.matches("main input:not([type=checkbox]), main textarea") && at.value !== at.defaultValue;
    return typing || document.querySelector("dialog[open], .more[open]");
  };
  setInterval(() => {
    const every = Number(main().dataset.every) * 1000;
    if (paused || !every || document.hidden || waiting || busy()) return;
    if (performance.now() - asked >= every) refresh();
  }, 250);
  document.addEventListener("htmx:after:request", (event) => {
    const answer = event.detail.ctx && event.detail.ctx.response;
    showLost(!answer || answer.status >= 500);
    // The session has ended: the server shows where to log in again.
    if (answer && answer.status === 401) location.reload();
  });
  document.addEventListener("htmx:error", () => showLost(true));
  document.addEventListener("htmx:finally:request", () => { waiting = false; asked = performance.now(); });
  document.addEventListener("htmx:after:swap", () => { showPaused(); showTicked(); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused && main().dataset.every !== "0") refresh();
  });
  const pause = () => {
    paused = !paused;
    sessionStorage.setItem("ajr-paused", paused ? "1" : "0");
    showPaused();
    if (!paused) refresh();
  };
  by("pause").addEventListener("click", pause);

  // A notice is of what was just done: it stays while this page does, and is no part of its link.
  if (document.querySelector(".notice")) {
    const link = new URL(location.href);
    for (const name of ["did", "n", "of", "left", "unseen"]) link.searchParams.delete(name);
    history.replaceState(null, "", link);
  }

  // Theme: kept in a cookie, so that the server sends the page in it.
  const themes = ["system", "light", "dark"];
  const theme = () => {
    const next = themes[(themes.indexOf(html.dataset.theme || "system") + 1) % 3];
    if (next === "system") delete html.dataset.theme;
    else html.dataset.theme = next;
    const age = next === "system" ? 0 : 31536000;
    document.cookie = `ajr_theme=${next}; path=${root || "/"}; max-age=${age}; SameSite=Strict`;
    by("theme").querySelector(".word").textContent = next;
  };
  by("theme").addEventListener("click", theme);

  // Copying.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-text]");
    if (!button) return;
    const text = button.dataset.copyText ?? by(button.dataset.copy).textContent;
    const was = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed by the browser";
    }
    setTimeout(() => { button.textContent = was; }, 1500);
  });

  // Selection: a row keeps its tick while it is on the page.
  const ticks = () => [...document.querySelectorAll('#bulk input[name="job"]')];
  const showTicked = () => {
    const line = by("ticked");
    if (!line) return;
    const all = ticks();
    const count = all.filter((tick) => tick.checked).length;
    line.textContent = `${count} selected`;
    const whole = by("tick-all");
    whole.checked = count > 0 && count === all.length;
    whole.indeterminate = count > 0 && count < all.length;
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") ticks().forEach((tick) => { tick.checked = event.target.checked; });
    if (event.target.closest("#bulk")) showTicked();
  });

  // Keys.
  const keys = by("keys");
  const help = () => (keys.open ? keys.close() : keys.showModal());
  by("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "?") { event.preventDefault(); help(); return; }
    if (keys.open) return;
    if (event.key === "/") {
      event.preventDefault();
      const box = by("q");
      if (box) { box.focus(); box.select(); } else location.href = `${root}/jobs#q`;
      return;
    }
    const key = event.key.toLowerCase();
    if (key === "r") refresh();
    else if (key === "p") pause();
    else if (key === "t") theme();
    else {
      const link = document.querySelector(`.side nav a[data-key="${CSS.escape(key)}"]`);
      if (link) link.click();
    }
  });
  if (location.hash === "#q" && by("q")) by("q").focus();
  showPaused();
  showTicked();
})();
