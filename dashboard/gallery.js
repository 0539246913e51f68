// A page of thumbnails. Every tile is a button; one of them is in the tab order and the arrow keys move on from there,
// over the edge of the page too. A click or Enter names the photo to Python. File names are only ever text here.
const NOWHERE = null;
const MOVES = { ArrowLeft: -1, ArrowRight: 1 };

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const grid = parentElement.querySelector(".grid");
  // What the keyboard did last, so that the page that it turned to is entered at the right end.
  grid.entry ??= NOWHERE;

  const open = (item) => {
    grid.opened = item.name;
    setTriggerValue("picked", item.name);
  };
  const tiles = data.items.map((item) => tile(item, () => open(item)));
  grid.dataset.tiles = data.tiles;
  grid.setAttribute("aria-label", `Photos, page ${data.page} of ${data.pages}. Arrow keys move, Enter opens.`);
  grid.replaceChildren(...tiles);
  const opened = data.items.findIndex((item) => item.name === grid.opened);

  const focus = (index) => {
    tiles.forEach((each, place) => (each.tabIndex = place === index ? 0 : -1));
    tiles[index].focus();
  };
  tiles.forEach((each, place) => (each.tabIndex = place === Math.max(opened, 0) ? 0 : -1));
  if (grid.entry !== NOWHERE) {
    focus(grid.entry === "start" ? 0 : tiles.length - 1);
    grid.entry = NOWHERE;
  } else if (opened >= 0 && document.activeElement === document.body && !document.querySelector("[role=dialog]")) {
    tiles[opened].focus({ preventScroll: true }); // The photo was closed: the keyboard goes on where it was.
    grid.opened = undefined;
  }

  const turn = (by) => {
    if (data.page + by < 1 || data.page + by > data.pages) return;
    grid.entry = by > 0 ? "start" : "end";
    setTriggerValue("turned", by);
  };

  grid.onkeydown = (event) => {
    const here = tiles.indexOf(parentElement.activeElement ?? grid.getRootNode().activeElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = tiles.filter((each) => each.offsetTop === tiles[0].offsetTop).length;
    const step = { ...MOVES, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step !== undefined) {
      const there = here + step;
      if (there in tiles) focus(there);
      else turn(Math.sign(step));
    } else if (event.key === "PageDown") turn(1);
    else if (event.key === "PageUp") turn(-1);
    else if (event.key === "Home") focus(0);
    else if (event.key === "End") focus(tiles.length - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

function tile(item, open) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `tile ${item.mark}`;
  button.title = item.name;
  button.setAttribute("aria-label", [`Open ${item.name}`, item.title, item.mark, item.detail].filter(Boolean).join(", "));
  button.append(item.src ? picture(item) : line("fault", item.fault));
  button.append(line("title", item.title), line("detail", item.detail));
  button.onclick = open;
  return button;
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
