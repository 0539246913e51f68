// The key n goes into the field for a note at once; Enter and Escape leave it, so that keys decide about the photo again.
export default function (component) {
  const { data, parentElement } = component;
  const onKey = (event) => {
    const input = document.querySelector(`.st-key-${data.field} input`);
    const typedInto = event.composedPath()[0];
    if (!input || event.altKey || event.ctrlKey || event.metaKey) return;
    if (typedInto === input) {
      if (event.key === "Escape") event.stopPropagation(); // It would close the photo.
      // A dialog holds on to what was focused in it last, so something else there has to be.
      if (["Escape", "Enter"].includes(event.key)) setTimeout(() => input.closest("[role=dialog]")?.focus());
    } else if (event.key === "n" && !typedInto.matches?.("input:not([type=checkbox]), textarea, [contenteditable]")) {
      event.preventDefault();
      event.stopPropagation();
      input.focus();
    }
  };
  document.removeEventListener("keydown", parentElement.onKey, true);
  parentElement.onKey = onKey;
  document.addEventListener("keydown", onKey, true);
  return () => document.removeEventListener("keydown", onKey, true);
}
