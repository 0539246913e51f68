// Horizontal bars of shares with their intervals. Each row is a button; the picture can be saved as it is. Names are only
// ever text here.
const SVG = "http://www.w3.org/2000/svg";
const [ROW, BAR, TOP, BOTTOM, GAP] = [50, 26, 6, 24, 12];
const FONT = 14;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const [chart, save] = [".chart", ".save"].map((each) => parentElement.querySelector(each));
  const pick = (bar) => setTriggerValue("picked", bar.query);
  const show = () => {
    const focused = [...chart.querySelectorAll("g.row")].indexOf(chart.getRootNode().activeElement);
    chart.replaceChildren(picture(data, chart.clientWidth || 480, pick));
    if (focused >= 0) chart.querySelectorAll("g.row")[focused]?.focus();
  };
  const watch = new ResizeObserver(() => {
    if (chart.firstChild?.width.baseVal.value !== chart.clientWidth) show();
  });
  watch.observe(chart);
  show();
  save.download = data.file;
  save.onclick = () => (save.href = file(picture(data, 640, pick)));
  return () => watch.disconnect();
}

function picture(data, width, pick) {
  const height = TOP + ROW * data.bars.length + BOTTOM;
  const whole = element("svg", { width, height, role: "group", "aria-label": data.alt, "font-size": FONT });
  // Names take the room that the longest one needs, up to a third; what is longer is cut off.
  const room = Math.min(Math.max(...data.bars.map((bar) => bar.name.length)) * FONT * 0.6, width / 3);
  const [left, span] = [room + GAP, width - room - GAP - 20];
  const at = (share) => left + share * span;
  for (const tick of TICKS) {
    const [x, y] = [at(tick), height - BOTTOM];
    whole.append(element("line", { x1: x, x2: x, y1: TOP, y2: y, stroke: data.colours.ticks, "stroke-opacity": 0.3 }));
    whole.append(text(`${100 * tick}%`, { x, y: y + 18, "text-anchor": "middle", "fill-opacity": 0.75, "font-size": 12 }));
  }
  data.bars.forEach((bar, index) => whole.append(row(bar, TOP + ROW * index, { width, left, at, pick, ...data.colours })));
  return whole;
}

function row(bar, top, { width, left, at, pick, bar: colour, chosen }) {
  const middle = top + ROW / 2;
  const label = { role: "button", tabindex: 0, "aria-label": bar.text, "aria-pressed": bar.is_chosen };
  const group = element("g", { class: "row", ...label });
  const line = (x1, x2, y1, y2) => element("line", { x1, x2, y1, y2, stroke: "currentColor", "stroke-width": 2 });
  const [low, high] = [at(bar.low), at(bar.high)];
  const frame = bar.is_chosen ? { stroke: chosen, "stroke-width": 4 } : {};
  group.append(
    element("title", {}, bar.text),
    element("rect", { x: 0, y: top, width, height: ROW, fill: "transparent" }), // All of the row can be clicked.
    text(fitting(bar.name, left - GAP), { x: left - GAP / 2, y: middle + 5, "text-anchor": "end" }),
    element("rect", { x: left, y: middle - BAR / 2, width: at(bar.share) - left, height: BAR, fill: colour, ...frame }),
    line(low, high, middle, middle),
    line(low, low, middle - 5, middle + 5),
    line(high, high, middle - 5, middle + 5),
  );
  group.onclick = () => pick(bar);
  group.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    pick(bar);
  };
  return group;
}

const fitting = (name, room) => {
  const most = Math.max(Math.floor(room / (FONT * 0.55)), 3);
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
};

const text = (content, attributes) => element("text", { fill: "currentColor", ...attributes }, content);

function element(name, attributes, content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.textContent = content;
  return made;
}

// The picture by itself: dark ink on white.
function file(drawing) {
  drawing.setAttribute("xmlns", SVG);
  drawing.setAttribute("style", "background: white; color: #1c242c; font-family: sans-serif");
  return `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
}
