// A photo under one heat map a class, and one slider for how strong the maps are. Moving it stays within the browser,
// and it keeps its place from photo to photo. Names are only ever text here.
export default function (component) {
  const { data, parentElement } = component;
  const panels = parentElement.querySelector(".panels");
  const slider = parentElement.querySelector("input");
  const output = parentElement.querySelector("output");

  const follow = () => {
    panels.style.setProperty("--heat", slider.value / 100);
    output.textContent = `${slider.value} %`;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.oninput = follow;
  follow();
  panels.replaceChildren(...data.panels.map((panel) => figure(data.photo, panel)));
}

function figure(photo, panel) {
  const stack = document.createElement("div");
  stack.className = "stack";
  stack.append(picture("photo", photo, ""), picture("heat", panel.heat, panel.alt));
  const caption = document.createElement("figcaption");
  caption.append(line("title", panel.title), line("detail", panel.detail));
  const whole = document.createElement("figure");
  whole.append(stack, caption);
  return whole;
}

function picture(className, source, alt) {
  const image = document.createElement("img");
  image.className = className;
  image.src = source;
  image.alt = alt;
  return image;
}

function line(className, text) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  return span;
}
