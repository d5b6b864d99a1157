// The console's script: refresh of panels, confirmation, copying, the menu of what is narrower than a desk. Every page works without it.

document.documentElement.classList.add("scripted");

// Refresh: a fragment replaces what is shown, unless somebody is typing or choosing in it. Hidden pages rest, and so do
// those that nobody has touched for a while: looking by itself must not keep a session alive.
const ATTENTION_MINUTES = 15;
let touched = Date.now();
for (const sign of ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"]) {
  addEventListener(sign, () => { touched = Date.now(); }, { passive: true });
}
const unattended = () => Date.now() - touched > ATTENTION_MINUTES * 60_000;

for (const region of document.querySelectorAll("[data-refresh]")) {
  const freshness = document.querySelector("[data-freshness]");
  const wait = Number(region.dataset.every) * 1000;
  let shown = null;
  let last = new Date();

  const say = (state, stale) => {
    if (!freshness) return;
    freshness.textContent = state;
    freshness.classList.toggle("stale", stale);
  };

  const busy = () => region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select, button");

  const refresh = async () => {
    if (document.hidden) return;
    if (unattended()) return say(freshness?.dataset.paused ?? "", true);
    try {
      const answer = await fetch(region.dataset.refresh, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (text !== shown && !busy() && !document.querySelector("dialog[open]")) {
        const before = new Map([...region.querySelectorAll("section[id]")].map((each) => [each.id, each.textContent]));
        region.innerHTML = text; // our own page's HTML, escaped where it was made
        prepare(region);
        for (const each of region.querySelectorAll("section[id]")) {
          if (before.has(each.id) && before.get(each.id) !== each.textContent) each.classList.add("changed");
        }
        shown = text;
      }
      last = new Date();
      say(freshness?.dataset.live ?? "", false);
    } catch {
      say(`${freshness?.dataset.stale ?? ""} ${last.toISOString().slice(11, 19)}`, true);
    }
  };

  say(freshness?.dataset.live ?? "", false);
  setInterval(refresh, wait);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) say(freshness?.dataset.paused ?? "", false);
    else refresh();
  });
}

// Confirmation: a form with data-confirm asks first.
const dialog = document.getElementById("confirm");
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (!question || !dialog || event.target.dataset.confirmed) return;
  event.preventDefault();
  dialog.querySelector("p").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    event.target.dataset.confirmed = "yes";
    event.target.requestSubmit(event.submitter ?? undefined);
    delete event.target.dataset.confirmed;
  }, { once: true });
});

// Copying: the whole id, of which a part is shown.
function prepare(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
});
prepare(document);

// The menu of what is narrower than a desk.
const menu = document.querySelector(".menu-button");
const entries = document.getElementById("navigation");
if (menu && entries) {
  const narrow = matchMedia("(max-width: 60rem)");
  const fit = () => { menu.hidden = !narrow.matches; };
  narrow.addEventListener("change", fit);
  fit();
  menu.addEventListener("click", () => {
    menu.setAttribute("aria-expanded", String(entries.classList.toggle("open")));
  });
}
