// Keys that decide about the photo that is open. Each is told to Python with the photo that was seen when it was pressed,
// and none is taken until what the last one did has been drawn: else a key would decide about a photo not seen yet.
//
// The key n goes into the field for a note at once; Enter and Escape leave it, so that keys decide about the photo again.
const NOT_TYPED_INTO = "[type=checkbox], [type=radio], [type=range]";
const TYPED_INTO = `input:not(${NOT_TYPED_INTO}), textarea, [contenteditable]`;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const inField = (event, input) => {
    if (event.key === "Escape") event.stopPropagation(); // It would close the photo.
    // A dialog holds on to what was focused in it last, so something else there has to be.
    if (["Escape", "Enter"].includes(event.key)) setTimeout(() => input.closest("[role=dialog]")?.focus());
  };
  const press = (key) => {
    if (parentElement.sentIn === data.turn) return;
    parentElement.sentIn = data.turn;
    setTriggerValue("pressed", { key, image: data.image });
  };
  const onKey = (event) => {
    const input = document.querySelector(`.st-key-${data.field} input`);
    const typedInto = event.composedPath()[0];
    if (!input || event.altKey || event.ctrlKey || event.metaKey) return;
    if (typedInto === input) return inField(event, input);
    const key = event.key.toLowerCase();
    if (typedInto.matches?.(TYPED_INTO) || (key !== "n" && !data.keys.includes(key))) return;
    event.preventDefault();
    event.stopPropagation();
    if (key === "n") input.focus();
    else if (!event.repeat) press(key);
  };
  document.removeEventListener("keydown", parentElement.onKey, true);
  parentElement.onKey = onKey;
  document.addEventListener("keydown", onKey, true);
  return () => document.removeEventListener("keydown", onKey, true);
}
