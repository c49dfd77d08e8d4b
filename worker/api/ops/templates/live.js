// Keeps an open page current: the server says that something changed, and the page's content is read again.
const source = new EventSource("/ops/live");

let edited = false; // a form that is being filled in must not be replaced
document.addEventListener("input", () => { edited = true; });

function inUse(main) {
  const focused = main.contains(document.activeElement) && document.activeElement !== main;
  return edited || focused || document.hidden || getSelection().toString() !== "";
}

async function readAgain() {
  const main = document.querySelector("main");
  if (inUse(main)) return;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (inUse(main)) return; // somebody began to fill in a form while the answer was under way
  const fresh = page.querySelector("main");
  const opened = [...main.querySelectorAll("details")].map((one) => one.open);
  fresh.querySelectorAll("details").forEach((one, index) => { one.open = opened[index] ?? false; });
  main.replaceWith(fresh);
}

// What changed before the stream was open, or while it was broken, is found by reading once when it opens.
source.addEventListener("open", readAgain);
source.addEventListener("changed", readAgain);
