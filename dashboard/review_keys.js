// Keys that decide about the photo that is open. Each is told to Python with the photo that was seen when it was pressed.
// One that is pressed before what the last one did has been drawn waits for that, and is dropped if it would decide about
// another photo by then.
//
// The key n goes into the field for a note at once; Enter and Escape leave it, so that keys decide about the photo again.
const LONGEST_WAIT = 5000; // Milliseconds, after which what was sent is taken for lost.
const NOT_TYPED_INTO = "[type=checkbox], [type=radio], [type=range]";
const TYPED_INTO = `input:not(${NOT_TYPED_INTO}), textarea, [contenteditable]`;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const inField = (event, input) => {
    if (event.key === "Escape") event.stopPropagation(); // It would close the photo.
    // A dialog holds on to what was focused in it last, so something else there has to be.
    if (["Escape", "Enter"].includes(event.key)) setTimeout(() => input.closest("[role=dialog]")?.focus());
  };
  const isWaiting = () => {
    const { turn, time } = parentElement.sent ?? {};
    return turn === data.turn && Date.now() - time < LONGEST_WAIT;
  };
  const press = (pressed) => {
    if (isWaiting()) return (parentElement.held = pressed);
    parentElement.sent = { turn: data.turn, time: Date.now() };
    setTriggerValue("pressed", pressed);
  };
  const pressHeld = () => {
    const { held } = parentElement;
    if (!held || isWaiting()) return;
    parentElement.held = null;
    if (held.image === data.image || !data.decisions.includes(held.key)) press(held);
  };
  const onKey = (event) => {
    const input = document.querySelector(`.st-key-${data.field} input`);
    const typedInto = event.composedPath()[0];
    if (!input || event.altKey || event.ctrlKey || event.metaKey) return;
    if (typedInto === input) return inField(event, input);
    const key = event.key.toLowerCase();
    if (typedInto.matches?.(TYPED_INTO) || ![...data.decisions, ...data.others, "n"].includes(key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (key === "n") input.focus();
    else if (!event.repeat) press({ key, image: data.image });
  };
  document.removeEventListener("keydown", parentElement.onKey, true);
  parentElement.onKey = onKey;
  document.addEventListener("keydown", onKey, true);
  pressHeld();
  return () => document.removeEventListener("keydown", onKey, true);
}
