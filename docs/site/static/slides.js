// Keyboard navigation of the slides; without this script they scroll.
const slides = [...document.querySelectorAll("section")];
const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };

addEventListener("keydown", (event) => {
  const step = steps[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const current = slides.findLastIndex((slide) => slide.getBoundingClientRect().top < innerHeight / 2);
  slides[Math.min(Math.max(current + step, 0), slides.length - 1)].scrollIntoView();
});
