// A page of thumbnails. Every tile is a button; one of them is in the tab order and the arrow keys move on from there,
// over the edge of the page too. A click or Enter names the photo to Python. File names are only ever text here.
//
// Other keys decide about the photo that the keyboard is on. A decision shows at once and stays in `memory.pending` until
// Python says that it is in the log; each message holds all that are pending, so one that overtakes another loses nothing.
// A dashboard that was started again knows no part of a page before the whole page has been run: what it does not answer
// in time is asked for with the whole page.
const NOWHERE = null;
const MOVES = { ArrowLeft: -1, ArrowRight: 1 };
const LONGEST_RETURN = 3000; // Milliseconds; what closes a photo may take the focus once more before all is drawn.
const PATIENCE = 4000; // Milliseconds until what is not in the log by then is sent again.
const MOST_TRIES = 10;
const DECISIONS = { x: "exclude", u: "unsure" };

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const [grid, keys, said, form] = [".grid", ".keys", ".said", "form"].map((each) => parentElement.querySelector(each));
  // What outlives a rerun: at which end the page that was turned to is entered, the photo that was opened, the one that
  // the keyboard goes back to, decisions under way, and those made since the keyboard was last moved by hand.
  const memory = (grid.memory ??= { entry: NOWHERE, opened: null, wanted: null, pending: [], made: [], tiles: new Map() });
  const review = data.review;
  memory.pending = memory.pending.filter((each) => review && !review.known.includes(each.id));

  // --- tiles ---

  const open = (item) => {
    [memory.opened, memory.made] = [item.name, []];
    setTriggerValue("picked", item.name);
    whenClosed(grid, () => {
      goBack(grid, memory.opened, Date.now() + LONGEST_RETURN);
      memory.opened = null;
    });
  };
  const pendingOf = (item) => memory.pending.findLast((each) => each.name === item.name);
  // A tile that stays as it is is not made anew: its picture would flicker.
  const tileOf = (item) => {
    const content = JSON.stringify([item, pendingOf(item)?.id]);
    const old = memory.tiles.get(item.name);
    return old?.content === content ? old : { content, element: tile(item, pendingOf(item), review, () => open(item)) };
  };
  let tiles = [];
  const draw = () => {
    const before = tiles.length ? tiles : [...grid.children];
    const here = before.indexOf(focused());
    const name = here < 0 ? null : before[here].title;
    memory.tiles = new Map(data.items.map((item) => [item.name, tileOf(item)]));
    tiles = [...memory.tiles.values()].map((each) => each.element);
    if (tiles.some((each, place) => each !== grid.children[place]) || tiles.length !== grid.children.length)
      grid.replaceChildren(...tiles);
    return { here, name };
  };
  const placeOf = (name) => data.items.findIndex((item) => item.name === name);
  const focused = () => parentElement.activeElement ?? grid.getRootNode().activeElement;
  const enter = (index) => tiles.forEach((each, place) => (each.tabIndex = place === index ? 0 : -1));
  const focus = (index) => {
    enter(index);
    tiles[index].focus();
  };

  grid.dataset.tiles = data.tiles;
  grid.setAttribute("aria-label", `Photos, page ${data.page} of ${data.pages}. Arrow keys move, Enter opens.`);
  showKeys(keys, review);
  const { here, name } = draw();
  const opened = placeOf(memory.opened);
  enter(Math.max(opened, 0));
  if (memory.entry?.page === data.page) {
    focus(memory.entry.isStart ? 0 : tiles.length - 1);
    memory.entry = NOWHERE;
  } else if (placeOf(memory.wanted) >= 0) {
    focus(placeOf(memory.wanted)); // Its page was turned back to.
    memory.wanted = null;
  } else if (here >= 0) {
    focus(placeOf(name) >= 0 ? placeOf(name) : Math.min(here, tiles.length - 1));
  }

  const turn = (by) => {
    const page = data.page + by;
    if (page < 1 || page > data.pages) return false;
    memory.entry = { page, isStart: by > 0 };
    setTriggerValue("turned", by);
    return true;
  };

  // --- decisions ---

  const say = (text) => (said.textContent = text);
  const sendAgain = (tries) => {
    if (!memory.pending.length || !grid.isConnected) return;
    if (!document.querySelector("[data-test-connection-state=CONNECTED]")) return watch(tries);
    const what = memory.pending.length === 1 ? "1 decision" : `${memory.pending.length} decisions`;
    if (tries > MOST_TRIES) return say(`Not saved: ${what}. Reload the page and decide again.`);
    say(`Not saved yet: ${what}. Trying again ...`);
    memory.isLate = true;
    // Until the whole page is run once more, as it is when one goes back in the browser, its parts may answer nothing.
    if (tries % 2) dispatchEvent(new PopStateEvent("popstate"));
    else setStateValue("pending", memory.pending);
    watch(tries + 1);
  };
  const watch = (tries) => {
    clearTimeout(memory.watch);
    memory.watch = setTimeout(() => sendAgain(tries), PATIENCE);
  };
  if (memory.isLate && !memory.pending.length) {
    memory.isLate = false;
    say("Saved.");
  }
  const send = (name, decision) => {
    const id = freshId();
    memory.pending = [...memory.pending, { id, name, ...decision }];
    setStateValue("pending", memory.pending);
    watch(1);
    say(`${name}: ${decision.action === "undo" ? "taken back" : badgeOf(decision, review)}`);
    draw();
    return { id, name };
  };
  const decide = (index, decision) => {
    memory.made.push(send(data.items[index].name, decision));
    if (index + 1 < tiles.length) focus(index + 1);
    else if (!turn(1)) focus(index);
  };
  // Take back what was decided last, as long as nothing else was done since; else what stands of the photo one is on.
  const undo = (index) => {
    const item = data.items[index];
    const underWay = pendingOf(item);
    if (!memory.made.length && underWay?.action === "undo") return;
    const last = memory.made.pop() ?? { id: underWay?.id ?? item.decision, name: item.name };
    if (!last.id) return say("There is nothing to take back.");
    send(last.name, { action: "undo", undoes: last.id });
    const place = placeOf(last.name);
    if (place >= 0) focus(place);
    else if (turn(-1)) [memory.entry, memory.wanted] = [NOWHERE, last.name];
  };

  const input = form.querySelector("input");
  const remark = (index) => {
    const element = tiles[index];
    memory.remarked = data.items[index].name;
    form.hidden = false;
    const top = element.offsetTop + element.offsetHeight - form.offsetHeight;
    Object.assign(form.style, { left: `${element.offsetLeft}px`, top: `${top}px`, width: `${element.offsetWidth}px` });
    input.setAttribute("aria-label", `Note on ${memory.remarked}`);
    input.value = data.items[index].note;
    input.select();
  };
  const endRemark = (isKept) => {
    if (form.hidden) return;
    const [note, place] = [input.value.trim(), placeOf(memory.remarked)];
    const isOther = note !== (data.items[place]?.note ?? "");
    if (isKept && isOther) memory.made.push(send(memory.remarked, { action: "note", note }));
    form.hidden = true;
    if (place >= 0) focus(place);
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    endRemark(true);
  };
  form.onfocusout = () => endRemark(true);
  form.onkeydown = (event) => {
    event.stopPropagation(); // These are letters and no decisions.
    if (event.key === "Escape") endRemark(false);
  };

  const isDecision = (key, index) => {
    if (!review) return false;
    const digit = /^[0-9]$/.test(key) ? Number(key) : -1;
    if (digit >= 0 && digit < review.classes.length) decide(index, { action: "relabel", label: digit });
    else if (key in DECISIONS) decide(index, { action: DECISIONS[key] });
    else if (key === "n") remark(index);
    else if (key === "z") undo(index);
    else return false;
    return true;
  };
  const isRefused = (key, index) => {
    const { locked } = data.items[index];
    if (!review || !locked || !/^[0-9xunz]$/.test(key)) return false;
    say(locked);
    return true;
  };

  // --- keys ---

  const isMove = (key, index) => {
    const columns = tiles.filter((each) => each.offsetTop === tiles[0].offsetTop).length;
    const step = { ...MOVES, ArrowUp: -columns, ArrowDown: columns }[key];
    if (step !== undefined) {
      const there = index + step;
      if (there in tiles) focus(there);
      else turn(Math.sign(step));
    } else if (key === "PageDown") turn(1);
    else if (key === "PageUp") turn(-1);
    else if (key === "Home") focus(0);
    else if (key === "End") focus(tiles.length - 1);
    else return false;
    memory.made = [];
    return true;
  };
  grid.onkeydown = (event) => {
    const index = tiles.indexOf(focused());
    if (index < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    memory.wanted = null;
    const key = event.key.toLowerCase();
    if (!isMove(event.key, index) && !isRefused(key, index) && !isDecision(key, index)) return;
    event.preventDefault();
    event.stopPropagation();
  };
}

// Calls back when the photo that is about to open has been closed again. Nothing tells: closing need not change the grid.
function whenClosed(grid, then) {
  let wasOpen = false;
  clearInterval(grid.watch);
  grid.watch = setInterval(() => {
    const isOpen = new URLSearchParams(location.search).has("photo") || document.querySelector("[role=dialog]") !== null;
    if (!grid.isConnected || (wasOpen && !isOpen)) clearInterval(grid.watch);
    if (grid.isConnected && wasOpen && !isOpen) then();
    wasOpen ||= isOpen;
  }, 100);
}

// The keyboard goes on at the photo that was open, unless it is somewhere else by now.
function goBack(grid, name, until) {
  const tile = [...grid.children].find((each) => each.title === name);
  if (document.activeElement === document.body) tile?.focus({ preventScroll: true });
  const isThere = tile && grid.getRootNode().activeElement === tile;
  if (tile && !isThere && grid.isConnected && Date.now() < until) setTimeout(() => goBack(grid, name, until), 100);
}

function freshId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function badgeOf(decision, review) {
  if (decision.action === "undo") return "…";
  return decision.action === "relabel" ? review.words.relabel + review.classes[decision.label] : review.words[decision.action];
}

function tile(item, pending, review, open) {
  const button = document.createElement("button");
  const badge = pending ? badgeOf(pending, review) : item.badge;
  button.type = "button";
  button.className = ["tile", item.mark, pending ? "saving" : "", pending?.action ?? item.review].filter(Boolean).join(" ");
  button.title = item.name;
  const words = [`Open ${item.name}`, item.title, item.mark, item.detail, badge && `reviewed: ${badge}`, item.note];
  button.setAttribute("aria-label", words.filter(Boolean).join(", "));
  button.append(item.src ? picture(item) : line("fault", item.fault));
  button.append(line("title", item.title), line("detail", item.detail));
  if (item.note) button.append(line("remark", item.note));
  if (badge) button.append(line("badge", badge));
  button.onclick = open;
  return button;
}

function showKeys(keys, review) {
  if (!review) return keys.replaceChildren();
  const classes = review.classes.slice(0, 10).map((name, label) => [label, name]);
  const others = [["x", "exclude"], ["u", "unsure"], ["n", "note"], ["z", "undo"]];
  const parts = [...classes, ...others].map(([key, words]) => {
    const part = line("key", ` ${words}`);
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    part.prepend(kbd);
    return part;
  });
  keys.replaceChildren(line("lead", "Tab to a photo, then press"), ...parts);
}

function picture(item) {
  const image = document.createElement("img");
  image.src = item.src;
  image.alt = "";  // The button says all that there is to say.
  return image;
}

function line(className, text) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  return span;
}
