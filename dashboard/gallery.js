// A page of thumbnails: every tile is a button, so the keyboard reaches it; a click names its photo to Python.
// File names are only ever text here, never markup.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const grid = parentElement.querySelector(".grid");

  const line = (className, text) => {
    const span = document.createElement("span");
    span.className = className;
    span.textContent = text;
    return span;
  };

  grid.replaceChildren(
    ...data.items.map((item) => {
      const tile = document.createElement("button");
      tile.className = `tile ${item.mark}`;
      tile.title = item.name;
      tile.setAttribute("aria-label", `Open ${item.name}: ${item.title}, ${item.detail}`);
      if (item.src) {
        const picture = document.createElement("img");
        picture.src = item.src;
        picture.alt = item.name;
        tile.append(picture);
      } else {
        tile.append(line("fault", item.fault));
      }
      tile.append(line("title", item.title), line("detail", item.detail));
      tile.onclick = () => setTriggerValue("picked", item.name);
      return tile;
    })
  );
}
